// A command of WASI 0.3: prints its arguments and environment; with "tcp PORT" as arguments it echoes one connection on 0.0.0.0; with "fail" it returns an error.
import { getArguments, getEnvironment } from 'wasi:cli/environment@0.3.0';
import { writeViaStream } from 'wasi:cli/stdout@0.3.0';
import { TcpSocket } from 'wasi:sockets/types@0.3.0';

const utf8 = (text) => Uint8Array.from(unescape(encodeURIComponent(text)), (letter) => letter.charCodeAt(0));

async function print(text) {
  await writeViaStream((async function* () {
    yield utf8(text);
  })());
}

async function serve(port) {
  const socket = TcpSocket.create('ipv4');
  socket.bind({ tag: 'ipv4', val: { port: Number(port), address: [0, 0, 0, 0] } });
  const connections = socket.listen();
  await print('listening\n');
  const [connection] = await connections.read(1);
  const [received] = connection.receive();
  // Read to its end first: QuickJS loses what is read for a stream that is being sent.
  const pieces = [];
  for (let bytes = await received.read(1024); bytes.length > 0; bytes = await received.read(1024)) pieces.push(bytes);
  await connection.send((async function* () {
    yield* pieces;
  })());
}

export const run = {
  async run() {
    const [what, port] = getArguments();
    if (what === 'fail') throw undefined;
    if (what === 'tcp') await serve(port);
    else await print(`${getArguments().join(' ')} ${getEnvironment().map(([name, value]) => `${name}=${value}`).join(' ')}\n`);
  },
};
