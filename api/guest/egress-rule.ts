// What a guest may be let out to: `host:port`, `*.domain:port`, `10.0.0.0/8:port`, `[2001:db8::]/32:port`, with `*` for any port. The engine reads
// the same rules; what passes here it takes.

const LABEL = /^[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?$/i;
const OCTET = /^(0|[1-9]\d{0,2})$/;
const EXAMPLES = 'write host:port, *.domain:port or 10.0.0.0/8:port, with * for any port';

/** Undefined when the rule is right, else what is wrong with it and how one is written. */
export function egressRuleProblem(rule: string): string | undefined {
  const why = problemOf(rule);
  return why === undefined ? undefined : `${JSON.stringify(rule)} ${why}; ${EXAMPLES}`;
}

/** Of a name that may be looked up: `host` or `*.domain`. */
export function lookupNameProblem(name: string): string | undefined {
  return isPattern(name) ? undefined : `${JSON.stringify(name)} is no host name; write host or *.domain`;
}

function problemOf(rule: string): string | undefined {
  const colon = rule.lastIndexOf(':');
  if (colon === -1 || rule.endsWith(']')) return 'has no port';
  const [host, port] = [rule.slice(0, colon), rule.slice(colon + 1)];
  if (port !== '*' && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535)) return 'has a port that is no number from 1 to 65535';
  const [, address = host, bits] = /^(.*)\/(\d{1,3})$/.exec(host) ?? [];
  if (host.includes('/') && bits === undefined) return 'has a prefix that is no number';
  const most = isIPv4(address) ? 32 : isBracketedIPv6(address) ? 128 : undefined;
  if (bits !== undefined) return most === undefined ? 'has a network that is no address' : Number(bits) > most ? `has a prefix longer than ${most} bits` : undefined;
  if (most !== undefined || isPattern(host)) return undefined;
  return host.includes('*') ? 'has a wildcard that does not stand for whole labels before a domain' : 'has a host that is no name and no address';
}

/** `a.b`, `*.b`. A name does not end in a number, or it would be mistaken for an address. */
function isPattern(text: string): boolean {
  const labels = text.replace(/^\*\./, '').replace(/\.$/, '').split('.');
  return labels.every((label) => label.length <= 63 && LABEL.test(label)) && !/^\d+$/.test(labels.at(-1) ?? '');
}

function isIPv4(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => OCTET.test(part) && Number(part) <= 255);
}

function isBracketedIPv6(text: string): boolean {
  return /^\[[0-9a-f:.]+\]$/i.test(text) && URL.canParse(`http://${text}/`);
}
