// A container's environment, resolved when it is started: plain values, fields of the pod, keys of ConfigMaps and Secrets.

import type { Container, Pod } from '@copepod/api/kinds';
import { fieldAt } from '@copepod/api/meta';
import { ConfigError } from './config-error.ts';
import type { KeptData } from './kept-data.ts';

/** ConfigError names what is not there. */
export async function resolveEnvironment(pod: Pod, container: Container, kept: KeptData): Promise<Record<string, string>> {
  const { namespace } = pod.metadata;
  const env: Record<string, string> = {};
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    const [kind, ref] = configMapRef === undefined ? ['Secret', secretRef] as const : ['ConfigMap', configMapRef] as const;
    const found = await kept.text(kind, ref?.name ?? '');
    if (found === undefined && ref?.optional !== true) throw new ConfigError(`${kind} "${ref?.name}" not found`);
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
    const found = await kept.text(kind, ref.name ?? '');
    const text = found?.[ref.key];
    if (text !== undefined) env[name] = text;
    else if (ref.optional !== true) throw new ConfigError(found === undefined ? `${kind} "${ref.name}" not found` : `couldn't find key ${ref.key} in ${kind} ${namespace}/${ref.name}`);
  }
  return env;
}

/** `$(NAME)` of a variable before it; `$$(NAME)` is the text itself, as Kubernetes has it. */
function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$?\$\(([-._A-Za-z0-9]+)\)/g, (match, name: string) => (match.startsWith('$$') ? match.slice(1) : env[name] ?? match));
}
