// Of WASI 0.3: a whole body whose trailers never come.
import { Fields, Response } from 'wasi:http/types@0.3.0';

const utf8 = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

export const handler = {
  async handle() {
    return Response.new(new Fields(), (async function* () {
      yield utf8('all of it');
    })(), new Promise(() => {}))[0];
  },
};
