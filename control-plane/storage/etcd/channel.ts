// The way to an etcd cluster: one connection to each endpoint, one of them preferred until it fails. A call that was not taken up is sent
// to the next; what may be done twice is sent again whatever happened; of anything else an unknown fate is told as Uncertain.

import { Client, type ClientDuplexStream, credentials, Metadata } from '@grpc/grpc-js';
import type { Clock } from '@copepod/client/clock';
import { closedStore, isStorageError, StorageError } from '../errors.ts';
import { type Failure, judge } from './failures.ts';
import { type Answer, type AuthenticateAnswer, type Method, METHODS } from './messages.ts';

export interface ChannelOptions {
  /** `http://host:port`, `https://host:port`, or `host:port`; at least one. */
  readonly endpoints: readonly string[];
  /** PEM. */
  readonly tls?: { readonly ca?: string | undefined; readonly cert?: string | undefined; readonly key?: string | undefined } | undefined;
  readonly user?: { readonly name: string; readonly password: string } | undefined;
  readonly clock: Clock;
}

export interface CallOptions {
  /** The call may be done twice without harm. */
  readonly repeatable: boolean;
}

export type Stream = ClientDuplexStream<object, object>;

/** Of the first attempt at a call that may be repeated, milliseconds; each further one is given twice as long. */
const ATTEMPT_MS = 1000;
/** Of one that may not. etcd itself gives up after 7 s; what it sent to a leader that then fell silent is lost long before. */
const WRITE_MS = 3000;
/** How long a call is tried at all: longer than etcd takes to elect a leader. */
const PATIENCE_MS = 10_000;
const FIRST_PAUSE_MS = 20;
const LAST_PAUSE_MS = 500;

interface Endpoint {
  readonly name: string;
  readonly client: Client;
}

export class EtcdChannel {
  readonly #endpoints: readonly Endpoint[];
  readonly #options: ChannelOptions;
  #preferred = 0;
  #login: Promise<string> | undefined;
  #closed = false;

  /** StorageError Invalid when an endpoint is none, or the options contradict each other. */
  constructor(options: ChannelOptions) {
    this.#options = options;
    if (options.endpoints.length === 0) throw new StorageError('Invalid', 'no etcd endpoint is given: name at least one, e.g. https://10.0.0.1:2379');
    this.#endpoints = options.endpoints.map((name) => ({ name, client: connect(name, options.tls) }));
  }

  /** Of the endpoint that is asked first. */
  get preferred(): string {
    return this.#endpoint().name;
  }

  /** StorageError; the answer to a message of the method. */
  async call<T extends Answer>(method: Method, message: object, { repeatable }: CallOptions): Promise<T> {
    const { clock } = this.#options;
    const until = clock.monotonic() + PATIENCE_MS;
    for (let attempt = 0; ; attempt += 1) {
      if (this.#closed) throw closedStore();
      const endpoint = this.#endpoint();
      const failure = await this.#attempt(endpoint, method, message, repeatable ? ATTEMPT_MS * 2 ** Math.min(attempt, 4) : WRITE_MS);
      if ('answer' in failure) return failure.answer as T;
      const { fate, error } = failure;
      if (fate === 'refused') throw error;
      if (this.#closed && (fate !== 'unknown' || repeatable)) throw closedStore();
      if (fate === 'token') this.#login = undefined;
      else this.#turnFrom(endpoint);
      if (fate === 'unknown' && !repeatable) throw new StorageError('Uncertain', `${error.message}; the write may have been done`, { cause: error });
      if (clock.monotonic() >= until) throw error;
      const pause = Math.min(FIRST_PAUSE_MS * 2 ** attempt, LAST_PAUSE_MS);
      // Another endpoint may serve at once; only a round that found none is worth waiting for.
      await clock.sleep(this.#preferred === 0 || fate === 'token' ? pause * (0.5 + clock.random()) : 0);
    }
  }

  /** A stream at the preferred endpoint; its errors are for `judgeStream`. The caller cancels it. */
  async open(method: Method): Promise<{ readonly stream: Stream; readonly endpoint: string }> {
    if (this.#closed) throw closedStore();
    const { client, name } = this.#endpoint();
    const metadata = await this.#metadata(name, client);
    const stream = client.makeBidiStreamRequest(method.path, method.encode, method.decode, metadata);
    // A cancelled stream still tells of its end.
    stream.on('error', () => {});
    return { stream, endpoint: name };
  }

  /** What broke a stream; the next one is opened elsewhere where that helps. */
  judgeStream(cause: unknown, name: string): StorageError {
    if (isStorageError(cause)) return cause;
    const { fate, error } = judge(cause, name);
    if (fate === 'token') this.#login = undefined;
    else if (fate !== 'refused') this.leave(name);
    return error;
  }

  /** This endpoint does not keep up: others are asked first from now on. */
  leave(name: string): void {
    const endpoint = this.#endpoint();
    if (endpoint.name === name) this.#turnFrom(endpoint);
  }

  close(): void {
    this.#closed = true;
    for (const { client } of this.#endpoints) client.close();
  }

  async #attempt(endpoint: Endpoint, method: Method, message: object, timeoutMs: number): Promise<{ readonly answer: object } | Failure> {
    try {
      const metadata = await this.#metadata(endpoint.name, endpoint.client);
      return { answer: await this.#send(endpoint, method, { message, metadata, timeoutMs }) };
    } catch (error) {
      return isStorageError(error) ? { fate: error.code === 'Unavailable' ? 'notDone' : 'refused', error } : judge(error, endpoint.name);
    }
  }

  #send(endpoint: Endpoint, method: Method, { message, metadata, timeoutMs }: { readonly message: object; readonly metadata: Metadata; readonly timeoutMs: number }): Promise<object> {
    return new Promise((resolve, reject) => {
      const deadline = this.#options.clock.now() + timeoutMs;
      endpoint.client.makeUnaryRequest(method.path, method.encode, method.decode, message, metadata, { deadline }, (error, answer) => {
        if (error === null && answer !== undefined) resolve(answer);
        else reject(error ?? new TypeError('an answer without a message'));
      });
    });
  }

  /** Asks for an endpoint that has a leader: one cut off from the others says so instead of being silent. */
  async #metadata(name: string, client: Client): Promise<Metadata> {
    const metadata = new Metadata();
    metadata.set('hasleader', 'true');
    const { user } = this.#options;
    if (user === undefined) return metadata;
    this.#login ??= this.#send({ name, client }, METHODS.authenticate, { message: { name: user.name, password: user.password }, metadata, timeoutMs: ATTEMPT_MS }).then((answer) => (answer as AuthenticateAnswer).token);
    const login = this.#login;
    try {
      metadata.set('token', await login);
      return metadata;
    } catch (error) {
      if (this.#login === login) this.#login = undefined;
      const failure = judge(error, name);
      // A login changes nothing, so it may be tried again elsewhere.
      throw failure.fate === 'refused' ? new StorageError('Invalid', `etcd at ${name} refuses the login of ${user.name}: ${failure.error.message}`, { cause: error }) : failure.error;
    }
  }

  #endpoint(): Endpoint {
    const endpoint = this.#endpoints[this.#preferred];
    if (endpoint === undefined) throw new RangeError('no endpoint');
    return endpoint;
  }

  #turnFrom(endpoint: Endpoint): void {
    if (this.#endpoints[this.#preferred] === endpoint) this.#preferred = (this.#preferred + 1) % this.#endpoints.length;
  }
}

function connect(name: string, tls: ChannelOptions['tls']): Client {
  const text = name.includes('://') ? name : `${tls === undefined ? 'http' : 'https'}://${name}`;
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) throw new StorageError('Invalid', `${name} is not an etcd endpoint: it should look like https://10.0.0.1:2379`);
  const { protocol, hostname, port } = new URL(text);
  const bytes = (pem: string | undefined): Buffer | null => (pem === undefined ? null : Buffer.from(pem));
  if (protocol === 'http:' && tls?.key !== undefined) throw new StorageError('Invalid', `${name} is not https, but a certificate to show is given`);
  if ((tls?.cert === undefined) !== (tls?.key === undefined)) throw new StorageError('Invalid', 'a client certificate of etcd goes with its key: give both or none');
  const secure = protocol === 'https:' ? credentials.createSsl(bytes(tls?.ca), bytes(tls?.key), bytes(tls?.cert)) : credentials.createInsecure();
  return new Client(`${hostname}:${port === '' ? 2379 : port}`, secure, {
    // A machine that was cut off or stopped keeps its connections open: pings find out. etcd takes one in five seconds at most.
    'grpc.keepalive_time_ms': 5000, 'grpc.keepalive_timeout_ms': 2000,
    'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 1000,
    'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1,
    'grpc.enable_retries': 0, 'grpc.use_local_subchannel_pool': 1,
  });
}
