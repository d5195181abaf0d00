// Quantities: `64Mi`, `250m`, `1e3`. Exact enough for what is scheduled here: results are finite numbers in base units.
// Suffixes: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/

const SUFFIXES: Readonly<Record<string, number>> = {
  n: 1e-9, u: 1e-6, m: 1e-3, '': 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18,
  Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60,
};

const FORM = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei))?$/;

/** In base units (bytes, cores, pieces); undefined when the text is not a quantity. */
export function parseQuantity(value: string | number): number | undefined {
  const match = FORM.exec(String(value).trim());
  if (match === null) return undefined;
  const [, digits = '', exponent = '', suffix = ''] = match;
  return Number(`${digits}${exponent}`) * (SUFFIXES[suffix] ?? 1);
}

/** Bytes in the largest binary suffix that divides them. */
export function formatBytes(bytes: number): string {
  const found = (['Ei', 'Pi', 'Ti', 'Gi', 'Mi', 'Ki'] as const).find((suffix) => bytes > 0 && bytes % (SUFFIXES[suffix] ?? 1) === 0);
  return found === undefined ? String(bytes) : `${bytes / (SUFFIXES[found] ?? 1)}${found}`;
}
