// A service of WASI 0.3, which does what its path says: /count, /hold (until the request's body ends; says how many requests were here at once), /spin, /trap, /echo, /headers,
// /env, /big?bytes=, /clocks, /random?n=, /mounts. What needs an imported async function, which QuickJS cannot have, is in blocking3.as.
import { getArguments, getEnvironment } from 'wasi:cli/environment@0.3.0';
import { getResolution, now } from 'wasi:clocks/monotonic-clock@0.3.0';
import { getDirectories } from 'wasi:filesystem/preopens@0.3.0';
import { Fields, Request, Response } from 'wasi:http/types@0.3.0';
import { getRandomBytes } from 'wasi:random/random@0.3.0';

const utf8 = (text) => Uint8Array.from(unescape(encodeURIComponent(text)), (letter) => letter.charCodeAt(0));
const textOf = (bytes) => decodeURIComponent(escape(String.fromCharCode(...bytes)));
const NOTHING = Promise.resolve({ tag: 'ok', val: undefined });

let answered = 0;
let inside = 0;
let most = 0;

const paths = {
  '/count': () => String((answered += 1)),
  '/hold': async (_, request) => {
    inside += 1;
    most = Math.max(most, inside);
    const [body] = Request.consumeBody(request, NOTHING);
    for (let bytes = await body.read(1024); bytes.length > 0; bytes = await body.read(1024));
    inside -= 1;
    return `${most} at once`;
  },
  '/spin': () => {
    for (;;) answered += 1;
  },
  '/headers': (_, request) => request.getHeaders().copyAll().map(([name, value]) => `${name}: ${textOf(value)}\n`).join(''),
  '/env': () => `${getArguments().join(' ')} ${getEnvironment().map(([name, value]) => `${name}=${value}`).join(' ')}`,
  '/big': ({ bytes }) => 'x'.repeat(Number(bytes)),
  '/clocks': () => `resolution ${getResolution()} coarse ${Array.from({ length: 100 }, now).every((time) => time % 1_000_000 === 0)}`,
  '/random': ({ n }) => String(getRandomBytes(Number(n)).length),
  '/mounts': () => getDirectories().map(([, name]) => name).join(' '),
};

function answer(status, text) {
  const body = (async function* () {
    yield utf8(text);
  })();
  const [response] = Response.new(new Fields(), body, NOTHING);
  response.setStatusCode(status);
  return response;
}

export const handler = {
  async handle(request) {
    const [path, rest = ''] = (request.getPathWithQuery() ?? '/').split('?');
    const query = Object.fromEntries(rest.split('&').filter(Boolean).map((pair) => pair.split('=').map(decodeURIComponent)));
    if (path === '/trap') throw new Error('on purpose');
    if (path === '/echo') {
      const [body, trailers] = Request.consumeBody(request, NOTHING);
      return Response.new(Fields.fromList([['trailer', utf8('x-end')]]), body, trailers)[0];
    }
    const wanted = paths[path];
    return wanted === undefined ? answer(404, `no ${path}`) : answer(200, await wanted(query, request));
  },
};
