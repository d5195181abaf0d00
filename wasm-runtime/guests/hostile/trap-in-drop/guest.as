// Drops a body while its stream is still there, which no host may allow.
import { newFields } from '../../kit/http';
import { RET } from '../../kit/memory';
export { cabi_realloc } from '../../kit/memory';

@external("wasi:http/types@0.2.12", "[constructor]outgoing-response")
declare function newResponse(headers: i32): i32;
@external("wasi:http/types@0.2.12", "[method]outgoing-response.body")
declare function responseBody(response: i32, result: usize): void;
@external("wasi:http/types@0.2.12", "[method]outgoing-body.write")
declare function outgoingWrite(body: i32, result: usize): void;
@external("wasi:http/types@0.2.12", "[resource-drop]outgoing-body")
declare function dropBody(body: i32): void;

export function handle(request: i32, out: i32): void {
  responseBody(newResponse(newFields()), RET);
  const body = load<i32>(RET, 4);
  outgoingWrite(body, RET);
  dropBody(body);
  unreachable();
}
