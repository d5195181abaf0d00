// Tries to connect, to listen and to look names up without a grant.
import { Address } from '../../kit/address';
import { answer } from '../../kit/http';
import { bindUdp, connect, listen, lookUp } from '../../kit/sockets';
export { cabi_realloc } from '../../kit/memory';

export function handle(request: i32, out: i32): void {
  const held = connect(Address.parse('127.0.0.1:22')) === null && listen(Address.parse('0.0.0.0:8080')) < 0 && bindUdp(Address.parse('0.0.0.0:5353')) === null && lookUp('localhost').startsWith('error');
  answer(out, 200, held ? 'held' : 'out');
}
