// A client: /tcp?to=1.2.3.4:5&text= says that and answers with the reply, /udp likewise, /name?of= looks a name up, /many?n= makes sockets and says how many it got.
import { number, query } from './kit/memory';
import { readAll, write } from './kit/io';
import { answer, path } from './kit/http';
import { Address, stored } from './kit/address';
import { bindUdp, connect, failed, lookUp, tcpSocket } from './kit/sockets';
export { cabi_realloc } from './kit/memory';

function overTcp(to: Address, text: string): string {
  const connection = connect(to);
  if (connection === null) return 'error ' + failed.toString();
  write(connection.output, text);
  connection.shut();
  return readAll(connection.input);
}

function overUdp(to: Address, text: string): string {
  const datagrams = bindUdp(new Address());
  if (datagrams === null) return 'error ' + failed.toString();
  const bytes = String.UTF8.encode(text);
  if (!datagrams.send(changetype<usize>(bytes), bytes.byteLength, stored(to))) return 'error ' + failed.toString();
  const reply = datagrams.receive();
  return reply == 0 ? 'error ' + failed.toString() : String.UTF8.decodeUnsafe(load<usize>(reply), load<usize>(reply, 4));
}

export function handle(request: i32, out: i32): void {
  const wanted = path(request);
  if (wanted.startsWith('/name')) return answer(out, 200, lookUp(query(wanted, 'of', '')));
  if (wanted.startsWith('/many')) {
    let made = 0;
    const count = number(wanted, 'n', 1);
    for (let i = 0; i < count; i++) if (tcpSocket() >= 0) made += 1;
    return answer(out, 200, made.toString());
  }
  const to = Address.parse(query(wanted, 'to', '127.0.0.1:1'));
  const text = query(wanted, 'text', 'hello');
  answer(out, 200, wanted.startsWith('/udp') ? overUdp(to, text) : overTcp(to, text));
}
