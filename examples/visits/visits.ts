// A service that remembers: counts its visitors in a key-value bucket of the node, which outlives every instance and every pod, and greets them in
// words from a ConfigMap.
import { get } from 'wasi:config/store@0.2.0-rc.1';
import { Fields, type Request, Response } from 'wasi:http/types@0.3.0';
import { increment } from 'wasi:keyvalue/atomics@0.2.0-draft';
import { open } from 'wasi:keyvalue/store@0.2.0-draft';

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (letter: string) => letter.charCodeAt(0));

export const handler = {
  async handle(_: Request): Promise<Response> {
    const count = increment(open('default'), 'visits', 1);
    const greeting = get('greeting') ?? 'Welcome';
    const body = (async function* () {
      yield ascii(`${greeting}, visitor ${count}\n`);
    })();
    const headers = Fields.fromList([['content-type', ascii('text/plain')]]);
    const [response] = Response.new(headers, body, Promise.resolve({ tag: 'ok', val: undefined }));
    return response;
  },
};
