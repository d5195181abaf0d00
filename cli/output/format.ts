// The forms `--output` takes.

import type { AnyKind } from '@copepod/api/kinds';
import type { KubeList, KubeObject } from '@copepod/api/meta';
import { stringify } from 'yaml';
import { usage } from '../failure.ts';

export const FORMATS = ['table', 'wide', 'json', 'yaml', 'name'] as const;
export type Format = (typeof FORMATS)[number];

export function parseFormat(text: string | undefined): Format {
  const found = FORMATS.find((format) => format === (text ?? 'table'));
  if (found === undefined) throw usage(`there is no output format "${text}"`, `there are ${FORMATS.join(', ')}`);
  return found;
}

/** For json, yaml and name; a table is the server's to make. */
export function render(format: 'json' | 'yaml' | 'name', kind: AnyKind, value: KubeObject | KubeList): string {
  switch (format) {
    case 'json': return `${JSON.stringify(value, undefined, 2)}\n`;
    case 'yaml': return stringify(value, { lineWidth: 0 });
    case 'name': {
      const objects = 'items' in value ? value.items as readonly KubeObject[] : [value];
      const group = kind.apiVersion.includes('/') ? `.${kind.apiVersion.split('/')[0]}` : '';
      return objects.map((object) => `${kind.singular}${group}/${object.metadata.name}\n`).join('');
    }
  }
}
