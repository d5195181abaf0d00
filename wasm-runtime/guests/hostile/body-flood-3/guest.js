// Of WASI 0.3: sends without end.
import { Fields, Response } from 'wasi:http/types@0.3.0';

const utf8 = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const NOTHING = Promise.resolve({ tag: 'ok', val: undefined });

async function* endless() {
  const piece = utf8('x'.repeat(4096));
  for (;;) yield piece;
}

export const handler = {
  async handle() {
    return Response.new(new Fields(), endless(), NOTHING)[0];
  },
};
