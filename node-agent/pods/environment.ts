// A container's environment, resolved when it is started: plain values, fields of the pod, keys of ConfigMaps and Secrets.

import { CONFIG_MAP, type Container, type Pod, SECRET } from '@copepod/api/kinds';
import { fieldAt } from '@copepod/api/meta';
import { resourceClient, type Transport } from '@copepod/client/rest';

/** Something the environment names is not there: reason CreateContainerConfigError. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
}

type Data = Readonly<Record<string, string>>;

export async function resolveEnvironment(pod: Pod, container: Container, transport: Transport): Promise<Record<string, string>> {
  const { namespace } = pod.metadata;
  const cache = new Map<string, Promise<Data | undefined>>();
  const data = (kind: 'ConfigMap' | 'Secret', name: string): Promise<Data | undefined> => {
    const key = `${kind}/${name}`;
    const known = cache.get(key) ?? (kind === 'ConfigMap'
      ? resourceClient(transport, CONFIG_MAP).find({ namespace, name }).then((map) => map?.data ?? (map === undefined ? undefined : {}))
      : resourceClient(transport, SECRET).find({ namespace, name }).then((secret) => secret === undefined ? undefined : Object.fromEntries(Object.entries(secret.data ?? {}).map(([field, text]) => [field, Buffer.from(text, 'base64').toString('utf8')]))));
    cache.set(key, known);
    return known;
  };
  const env: Record<string, string> = {};
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    const [kind, ref] = configMapRef === undefined ? ['Secret', secretRef] as const : ['ConfigMap', configMapRef] as const;
    const found = await data(kind, ref?.name ?? '');
    if (found === undefined && ref?.optional !== true) throw new EnvironmentError(`${kind} "${ref?.name}" not found`);
    for (const [key, value] of Object.entries(found ?? {})) env[`${prefix}${key}`] = value;
  }
  for (const { name, value, valueFrom } of container.env ?? []) {
    if (valueFrom === undefined) {
      env[name] = expand(value ?? '', env);
      continue;
    }
    if (valueFrom.fieldRef !== undefined) env[name] = fieldAt(pod, valueFrom.fieldRef.fieldPath);
    const [kind, ref] = valueFrom.configMapKeyRef === undefined ? ['Secret', valueFrom.secretKeyRef] as const : ['ConfigMap', valueFrom.configMapKeyRef] as const;
    if (ref === undefined) continue;
    const found = await data(kind, ref.name ?? '');
    const text = found?.[ref.key];
    if (text !== undefined) env[name] = text;
    else if (ref.optional !== true) throw new EnvironmentError(found === undefined ? `${kind} "${ref.name}" not found` : `couldn't find key ${ref.key} in ${kind} ${namespace}/${ref.name}`);
  }
  return env;
}

/** `$(NAME)` of a variable before it; `$$(NAME)` is the text itself, as Kubernetes has it. */
function expand(text: string, env: Data): string {
  return text.replaceAll(/\$?\$\(([-._A-Za-z0-9]+)\)/g, (match, name: string) => (match.startsWith('$$') ? match.slice(1) : env[name] ?? match));
}
