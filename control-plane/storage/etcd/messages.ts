// etcd's messages as far as they are used here. Names and field numbers are those of etcd's rpc.proto, kv.proto and auth API; what is
// not in the table is skipped when read. 64-bit numbers are `Long` when read: revisions fit a number, lease ids do not.

import protobuf from 'protobufjs/light.js';

type Rule = 'repeated';
type Fields = Readonly<Record<string, readonly [type: string, id: number, rule?: Rule]>>;

const MESSAGES: Readonly<Record<string, Fields>> = {
  ResponseHeader: { revision: ['int64', 3] },
  KeyValue: { key: ['bytes', 1], createRevision: ['int64', 2], modRevision: ['int64', 3], version: ['int64', 4], value: ['bytes', 5], lease: ['int64', 6] },
  Event: { type: ['int32', 1], kv: ['KeyValue', 2], prevKv: ['KeyValue', 3] },
  RangeRequest: { key: ['bytes', 1], rangeEnd: ['bytes', 2], limit: ['int64', 3], revision: ['int64', 4], keysOnly: ['bool', 8], countOnly: ['bool', 9] },
  RangeResponse: { header: ['ResponseHeader', 1], kvs: ['KeyValue', 2, 'repeated'], more: ['bool', 3] },
  PutRequest: { key: ['bytes', 1], value: ['bytes', 2], lease: ['int64', 3] },
  DeleteRangeRequest: { key: ['bytes', 1] },
  RequestOp: { requestRange: ['RangeRequest', 1], requestPut: ['PutRequest', 2], requestDeleteRange: ['DeleteRangeRequest', 3] },
  ResponseOp: { responseRange: ['RangeResponse', 1] },
  /** `result` 0 is EQUAL, `target` 2 is MOD; of the union only mod_revision is used. */
  Compare: { result: ['int32', 1], target: ['int32', 2], key: ['bytes', 3], modRevision: ['int64', 6] },
  TxnRequest: { compare: ['Compare', 1, 'repeated'], success: ['RequestOp', 2, 'repeated'], failure: ['RequestOp', 3, 'repeated'] },
  TxnResponse: { header: ['ResponseHeader', 1], succeeded: ['bool', 2], responses: ['ResponseOp', 3, 'repeated'] },
  CompactionRequest: { revision: ['int64', 1] },
  CompactionResponse: { header: ['ResponseHeader', 1] },
  WatchCreateRequest: { key: ['bytes', 1], rangeEnd: ['bytes', 2], startRevision: ['int64', 3], progressNotify: ['bool', 4], prevKv: ['bool', 6], fragment: ['bool', 8] },
  WatchRequest: { createRequest: ['WatchCreateRequest', 1] },
  WatchResponse: {
    header: ['ResponseHeader', 1], created: ['bool', 3], canceled: ['bool', 4], compactRevision: ['int64', 5], cancelReason: ['string', 6], fragment: ['bool', 7],
    events: ['Event', 11, 'repeated'],
  },
  LeaseGrantRequest: { TTL: ['int64', 1] },
  LeaseGrantResponse: { header: ['ResponseHeader', 1], ID: ['int64', 2], TTL: ['int64', 3] },
  LeaseRevokeRequest: { ID: ['int64', 1] },
  LeaseRevokeResponse: { header: ['ResponseHeader', 1] },
  LeaseKeepAliveRequest: { ID: ['int64', 1] },
  LeaseKeepAliveResponse: { header: ['ResponseHeader', 1], TTL: ['int64', 3] },
  AuthenticateRequest: { name: ['string', 1], password: ['string', 2] },
  AuthenticateResponse: { token: ['string', 2] },
  StatusRequest: {},
  StatusResponse: { header: ['ResponseHeader', 1], version: ['string', 2], dbSize: ['int64', 3], dbSizeInUse: ['int64', 9] },
};

/** A 64-bit number as it is read. */
export interface Long {
  toNumber(): number;
  toString(): string;
}

export interface Answer {
  readonly header?: { readonly revision?: Long } | null;
}

export interface KeyValue {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly createRevision: Long;
  readonly modRevision: Long;
  readonly version: Long;
  readonly lease: Long;
}

export interface RangeAnswer extends Answer {
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
}

export interface TxnAnswer extends Answer {
  readonly succeeded: boolean;
  readonly responses: readonly { readonly responseRange?: RangeAnswer | null }[];
}

export interface WatchEvent {
  /** 0 put, 1 delete. */
  readonly type: number;
  readonly kv: KeyValue;
  readonly prevKv?: KeyValue | null;
}

export interface WatchAnswer extends Answer {
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compactRevision: Long;
  readonly cancelReason: string;
  readonly fragment: boolean;
  readonly events: readonly WatchEvent[];
}

export interface LeaseAnswer extends Answer {
  readonly ID: Long;
  readonly TTL: Long;
}

export interface AuthenticateAnswer extends Answer {
  readonly token: string;
}

export interface StatusAnswer extends Answer {
  readonly version: string;
  readonly dbSize: Long;
  readonly dbSizeInUse: Long;
}

export interface Method {
  readonly path: string;
  readonly encode: (message: object) => Buffer;
  readonly decode: (bytes: Buffer) => object;
}

const root = new protobuf.Root();
for (const [name, fields] of Object.entries(MESSAGES)) {
  const type = new protobuf.Type(name);
  for (const [field, [fieldType, id, rule]] of Object.entries(fields)) type.add(new protobuf.Field(field, id, fieldType, rule));
  root.add(type);
}

function method(service: string, name: string, request: string, response: string): Method {
  const [asked, answered] = [root.lookupType(request), root.lookupType(response)];
  return {
    path: `/etcdserverpb.${service}/${name}`,
    encode: (message) => Buffer.from(asked.encode(asked.fromObject(message as Record<string, unknown>)).finish()),
    decode: (bytes) => answered.decode(bytes),
  };
}

export const METHODS = {
  range: method('KV', 'Range', 'RangeRequest', 'RangeResponse'),
  txn: method('KV', 'Txn', 'TxnRequest', 'TxnResponse'),
  compact: method('KV', 'Compact', 'CompactionRequest', 'CompactionResponse'),
  watch: method('Watch', 'Watch', 'WatchRequest', 'WatchResponse'),
  leaseGrant: method('Lease', 'LeaseGrant', 'LeaseGrantRequest', 'LeaseGrantResponse'),
  leaseRevoke: method('Lease', 'LeaseRevoke', 'LeaseRevokeRequest', 'LeaseRevokeResponse'),
  leaseKeepAlive: method('Lease', 'LeaseKeepAlive', 'LeaseKeepAliveRequest', 'LeaseKeepAliveResponse'),
  authenticate: method('Auth', 'Authenticate', 'AuthenticateRequest', 'AuthenticateResponse'),
  status: method('Maintenance', 'Status', 'StatusRequest', 'StatusResponse'),
} as const;

/** Of the store when it answered; 0 when the answer does not say. */
export function revisionOf(answer: Answer): number {
  return Number(answer.header?.revision ?? 0);
}
