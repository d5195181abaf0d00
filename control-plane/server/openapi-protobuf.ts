// OpenAPI v2 in the protobuf form that kubectl before 1.24 asks for and cannot do without. Message names and field numbers are those of
// gnostic's OpenAPIv2.proto; only the part our document uses is here.

import protobuf from 'protobufjs/light.js';

type Json = Readonly<Record<string, unknown>>;

/** The media type clients ask for it with. */
export const OPENAPI_PROTOBUF = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
/** What it is answered with: the @ may not stand in a media type, and Go's parser refuses it. */
export const OPENAPI_PROTOBUF_REPLY = OPENAPI_PROTOBUF.replace('@', '.');

type Fields = Readonly<Record<string, readonly [type: string, id: number, rule?: 'repeated']>>;

const MESSAGES: Readonly<Record<string, Fields>> = {
  Document: { swagger: ['string', 1], info: ['Info', 2], paths: ['Paths', 8], definitions: ['Definitions', 9] },
  Info: { title: ['string', 1], version: ['string', 2] },
  Paths: { path: ['NamedPathItem', 2, 'repeated'] },
  NamedPathItem: { name: ['string', 1], value: ['PathItem', 2] },
  PathItem: { get: ['Operation', 2], put: ['Operation', 3], post: ['Operation', 4], delete: ['Operation', 5], patch: ['Operation', 8], parameters: ['ParametersItem', 9, 'repeated'] },
  Operation: { parameters: ['ParametersItem', 8, 'repeated'], responses: ['Responses', 9], vendorExtension: ['NamedAny', 13, 'repeated'] },
  ParametersItem: { parameter: ['Parameter', 1] },
  Parameter: { nonBodyParameter: ['NonBodyParameter', 2] },
  NonBodyParameter: { query: ['QueryParameter', 3], path: ['PathParameter', 4] },
  QueryParameter: { in: ['string', 2], name: ['string', 4], type: ['string', 6] },
  PathParameter: { required: ['bool', 1], in: ['string', 2], name: ['string', 4], type: ['string', 5] },
  Responses: { responseCode: ['NamedResponseValue', 1, 'repeated'] },
  NamedResponseValue: { name: ['string', 1], value: ['ResponseValue', 2] },
  ResponseValue: { response: ['Response', 1] },
  Response: { description: ['string', 1] },
  Definitions: { additionalProperties: ['NamedSchema', 1, 'repeated'] },
  NamedSchema: { name: ['string', 1], value: ['Schema', 2] },
  Schema: { ref: ['string', 1], format: ['string', 2], required: ['string', 19, 'repeated'], additionalProperties: ['AdditionalPropertiesItem', 21], type: ['TypeItem', 22], items: ['ItemsItem', 23], properties: ['Properties', 25], vendorExtension: ['NamedAny', 31, 'repeated'] },
  AdditionalPropertiesItem: { schema: ['Schema', 1] },
  TypeItem: { value: ['string', 1, 'repeated'] },
  ItemsItem: { schema: ['Schema', 1, 'repeated'] },
  Properties: { additionalProperties: ['NamedSchema', 1, 'repeated'] },
  NamedAny: { name: ['string', 1], value: ['Any', 2] },
  Any: { yaml: ['string', 2] },
};

const nested = Object.fromEntries(Object.entries(MESSAGES).map(([name, fields]) => [name, {
  fields: Object.fromEntries(Object.entries(fields).map(([field, [type, id, rule]]) => [field, { type, id, ...(rule === undefined ? {} : { rule }) }])),
}]));

let encoded: Uint8Array | undefined;

/** `document`: what `openApiV2` made; encoded at the first call. */
export function openApiProtobuf(document: object): Uint8Array {
  if (encoded === undefined) {
    const type = protobuf.Root.fromJSON({ nested }).lookupType('Document');
    const { swagger, info, paths, definitions } = document as { swagger: string; info: Json; paths: Json; definitions: Json };
    encoded = type.encode(type.fromObject({ swagger, info, paths: { path: named(paths, pathItem) }, definitions: { additionalProperties: named(definitions, schema) } })).finish();
  }
  return encoded;
}

function named(values: Json, convert: (value: Json) => Json): readonly Json[] {
  return Object.entries(values).map(([name, value]) => ({ name, value: convert(value as Json) }));
}

function pathItem({ parameters, ...operations }: Json): Json {
  return { ...Object.fromEntries(Object.entries(operations).map(([verb, value]) => [verb, operation(value as Json)])), parameters: parametersOf(parameters) };
}

function operation(value: Json): Json {
  const responses = named((value['responses'] ?? {}) as Json, (response) => ({ response }));
  return { parameters: parametersOf(value['parameters']), responses: { responseCode: responses }, vendorExtension: extensions(value) };
}

function parametersOf(value: unknown): readonly Json[] {
  return ((value ?? []) as readonly Json[]).map((parameter) => ({ parameter: { nonBodyParameter: { [String(parameter['in'])]: parameter } } }));
}

function schema(value: Json): Json {
  const { $ref, format, type, required, items, properties, additionalProperties } = value;
  return {
    ...($ref === undefined ? {} : { ref: $ref }), ...(format === undefined ? {} : { format }), ...(required === undefined ? {} : { required }),
    ...(type === undefined ? {} : { type: { value: [type] } }),
    ...(items === undefined ? {} : { items: { schema: [schema(items as Json)] } }),
    ...(additionalProperties === undefined ? {} : { additionalProperties: { schema: schema(additionalProperties as Json) } }),
    ...(properties === undefined ? {} : { properties: { additionalProperties: named(properties as Json, schema) } }),
    vendorExtension: extensions(value),
  };
}

/** JSON is YAML. */
function extensions(value: Json): readonly Json[] {
  return Object.entries(value).filter(([name]) => name.startsWith('x-')).map(([name, content]) => ({ name, value: { yaml: JSON.stringify(content) } }));
}
