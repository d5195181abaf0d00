// Sends back what it is sent: /echo the body with its trailers, /headers the request's headers as lines, /big?bytes= a body of that size, /header?bytes= a header
// of that size, /held a body that ends only when the request's does, /print?bytes= that much on standard output in lines of 100.
import { number, query } from './kit/memory';
import { print, sleep } from './kit/io';
import { answer, append, begin, Incoming, lines, newFields, path, requestHeaders } from './kit/http';
export { cabi_realloc } from './kit/memory';

export function handle(request: i32, out: i32): void {
  const wanted = path(request);
  if (wanted.startsWith('/headers')) return answer(out, 200, lines(requestHeaders(request)));
  if (wanted.startsWith('/big')) return big(out, number(wanted, 'bytes', 1));
  if (wanted.startsWith('/header')) return header(out, number(wanted, 'bytes', 1));
  if (wanted.startsWith('/print')) return lineAfterLine(out, number(wanted, 'bytes', 100));
  if (wanted.startsWith('/sleep')) {
    sleep(number(wanted, 'ms', 10));
    return answer(out, 200, 'slept\n');
  }
  if (wanted.startsWith('/status')) return answer(out, number(wanted, 'code', 200), query(wanted, 'text', ''));
  const fields = newFields();
  append(fields, 'x-echo', 'yes');
  // HTTP/1.1 sends only trailers that were announced.
  append(fields, 'trailer', 'x-end');
  const body = begin(out, 200, fields);
  const trailers = Incoming.of(request).copy(body);
  body.finish(trailers);
}

function big(out: i32, bytes: i32): void {
  const body = begin(out, 200, newFields());
  const piece = 'x'.repeat(4096);
  for (let left = bytes; left > 0; left -= 4096) {
    if (!body.write(left < 4096 ? piece.substring(0, left) : piece)) return;
  }
  body.finish();
}

function header(out: i32, bytes: i32): void {
  const fields = newFields();
  if (!append(fields, 'x-long', 'x'.repeat(bytes))) return answer(out, 500, 'the header was refused\n');
  begin(out, 200, fields).finish();
}

function lineAfterLine(out: i32, bytes: i32): void {
  const line = 'x'.repeat(99) + '\n';
  for (let left = bytes; left > 0; left -= 100) print(line);
  answer(out, 200, 'printed\n');
}
