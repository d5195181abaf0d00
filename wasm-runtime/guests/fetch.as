// Makes a request of its own: / answers with the status and body (or error-code) that ?to=&path= gave, /through passes the request's body on and the response's body and
// trailers back, /ring asks ?to= for the same, /many?n= opens that many at once and says how many were refused.
import { number, query } from './kit/memory';
import { readAll } from './kit/io';
import { answer, append, begin, Incoming, newFields, path } from './kit/http';
import { bodyOf, Call, GET, POST, responseStatus } from './kit/client';
export { cabi_realloc } from './kit/memory';

function once(to: string, place: string): string {
  const call = new Call(GET, to, place, newFields());
  if (call.error < 0) call.body!.finish();
  const response = call.response();
  if (response < 0) return 'error ' + call.error.toString();
  return responseStatus(response).toString() + ' ' + readAll(new Incoming(bodyOf(response)).stream);
}

function through(request: i32, out: i32, to: string, place: string): void {
  const call = new Call(POST, to, place, newFields());
  const trailers = Incoming.of(request).copy(call.body!);
  call.body!.finish(trailers);
  const response = call.response();
  if (response < 0) return answer(out, 502, 'error ' + call.error.toString());
  const headers = newFields();
  append(headers, 'x-through', 'yes');
  append(headers, 'trailer', 'x-end');
  const body = begin(out, responseStatus(response), headers);
  body.finish(new Incoming(bodyOf(response)).copy(body));
}

function many(to: string, place: string, count: i32): string {
  const calls: Call[] = [];
  for (let i = 0; i < count; i++) {
    const call = new Call(GET, to, place, newFields());
    if (call.error < 0) call.body!.finish();
    calls.push(call);
  }
  let refused = 0;
  for (let i = 0; i < count; i++) if (calls[i].response() < 0) refused += 1;
  return refused.toString();
}

export function handle(request: i32, out: i32): void {
  const wanted = path(request);
  const to = query(wanted, 'to', 'localhost');
  const place = query(wanted, 'path', '/');
  if (wanted.startsWith('/through')) return through(request, out, to, place);
  if (wanted.startsWith('/ring')) return through(request, out, to, wanted);
  answer(out, 200, wanted.startsWith('/many') ? many(to, place, number(wanted, 'n', 1)) : once(to, place));
}
