// Of WASI 0.3: begins a body and loops for ever in its middle.
import { Fields, Response } from 'wasi:http/types@0.3.0';

const utf8 = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const NOTHING = Promise.resolve({ tag: 'ok', val: undefined });

async function* stuck() {
  yield utf8('the beginning');
  for (;;) continue;
}

export const handler = {
  async handle() {
    return Response.new(new Fields(), stuck(), NOTHING)[0];
  },
};
