// A service in TypeScript: answers every request with a page that says who answered. Plain ECMAScript and WASI imports; the QuickJS
// engine it is built with has no fetch, no timers and no TextEncoder.
import { getEnvironment } from 'wasi:cli/environment@0.3.0';
import { Fields, type Request, Response } from 'wasi:http/types@0.3.0';

const utf8 = (text: string): Uint8Array => Uint8Array.from(unescape(encodeURIComponent(text)), (letter: string) => letter.charCodeAt(0));
const escape = (text: string): string => text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);

export const handler = {
  async handle(request: Request): Promise<Response> {
    const pod = new Map(getEnvironment()).get('POD_NAME') ?? 'a component';
    const path = request.getPathWithQuery() ?? '/';
    const page = `<!doctype html><meta charset="utf-8"><title>Hello from Copepod</title>
<style>body{font:1.2rem/1.6 system-ui;max-width:36rem;margin:20vh auto;padding:0 1rem}code{background:#8882;padding:.1em .3em;border-radius:.2em}</style>
<h1>Hello from Copepod</h1><p><code>${escape(pod)}</code> answered <code>${escape(path)}</code>: a WebAssembly component, in an instance of its own, gone by now.</p>
`;
    const body = (async function* () {
      yield utf8(page);
    })();
    const headers = Fields.fromList([['content-type', utf8('text/html; charset=utf-8')]]);
    const [response] = Response.new(headers, body, Promise.resolve({ tag: 'ok', val: undefined }));
    return response;
  },
};
