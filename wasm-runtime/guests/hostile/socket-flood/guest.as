// Tries to use up the descriptors of the process with sockets.
import { tcpSocket, udpSocket } from '../../kit/sockets';
export { cabi_realloc } from '../../kit/memory';

export function handle(request: i32, out: i32): void {
  for (;;) {
    tcpSocket();
    udpSocket();
  }
}
