// The same service for QuickJS, which has no TextEncoder. wasi:http/handler@0.3.
import { Fields, Response } from 'wasi:http/types@0.3.0';

const text = Uint8Array.from('hello from javascript\n', (letter) => letter.charCodeAt(0));

export const handler = {
  async handle() {
    const body = (async function* () {
      yield text;
    })();
    const [response] = Response.new(new Fields(), body, Promise.resolve({ tag: 'ok', val: undefined }));
    return response;
  },
};
