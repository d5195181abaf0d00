// Results as JSON for programs and as Markdown for people. The Markdown is always made from the JSON, never edited.

import { cpus, totalmem } from 'node:os';
import { type Bar, type Measurement, median, type Scenario } from './scenario.ts';

/** `value`: the median, or its ratio to the peer's; null: it could not be measured. */
export type JudgedBar = Bar & { readonly value: number | null; readonly unit: string; readonly met: boolean };

export interface ScenarioResult {
  readonly name: string;
  readonly title: string;
  readonly method: string;
  readonly skipped: string | undefined;
  readonly measurements: readonly Measurement[];
  readonly bars: readonly JudgedBar[];
}

export interface Results {
  readonly date: string;
  readonly machine: string;
  readonly results: readonly ScenarioResult[];
}

export function machine(): string {
  return `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${process.arch}, Node ${process.version}`;
}

export function judge(scenario: Scenario, measurements: readonly Measurement[]): readonly JudgedBar[] {
  return (scenario.bars ?? []).map((bar) => {
    const of = (subject: string): Measurement | undefined => measurements.find((known) => known.subject === subject && known.metric === bar.metric);
    const mine = median(of(bar.subject)?.samples ?? []);
    const value = bar.peer === undefined ? mine : mine / median(of(bar.peer)?.samples ?? []);
    const met = 'atLeast' in bar ? value >= bar.atLeast : value <= bar.atMost;
    return { ...bar, value: Number.isFinite(value) ? value : null, unit: bar.peer === undefined ? ` ${of(bar.subject)?.unit ?? ''}` : '×', met };
  });
}

export function renderMarkdown({ date, machine: where, results }: Results): string {
  const head = `# Results\nMade by \`npm run bench\` on ${date} (${where}). Machines are noisy: read the ratios, which were measured in turns in the same run, before the figures.\n`;
  return [head, promises(results), ...results.map(section)].filter((part) => part !== '').join('\n');
}

/** Every bar in one table. */
function promises(results: readonly ScenarioResult[]): string {
  const rows = results.flatMap(({ title, skipped, bars }) => {
    if (skipped !== undefined) return [`| ${title} | not run: ${skipped} | | | |`];
    return bars.map((bar) => {
      const limit = 'atLeast' in bar ? `≥ ${format(bar.atLeast)}` : `≤ ${format(bar.atMost)}`;
      const what = bar.peer === undefined ? bar.subject : `${bar.subject} to ${bar.peer}`;
      return `| ${title} | ${bar.metric}: ${what} | ${format(bar.value ?? Number.NaN)}${bar.unit} | ${limit}${bar.unit}${bar.aim === true ? ' (aim)' : ''} | ${bar.met ? 'met' : bar.aim === true ? 'not yet' : '**missed**'} |`;
    });
  });
  return rows.length === 0 ? '' : `## What was promised\nMedians, or ratios of medians. An aim is a wish beyond the bar.\n\n| scenario | what | measured | promised | |\n|---|---|---|---|---|\n${rows.join('\n')}\n`;
}

function section(result: ScenarioResult): string {
  const head = `## ${result.title}\n${result.method}\n`;
  if (result.skipped !== undefined) return `${head}\nNot run: ${result.skipped}\n`;
  const rows = result.measurements.map((known) => {
    const first = result.measurements.find((other) => other.metric === known.metric);
    const ratio = first === undefined || first === known || first.unit !== known.unit ? '' : `${format(median(first.samples) / median(known.samples))}× (${first.subject} to it)`;
    return `| ${known.metric} | ${known.subject} | ${format(median(known.samples))} ${known.unit} | ${format(Math.min(...known.samples))} – ${format(Math.max(...known.samples))} | ${known.samples.length} | ${ratio} |`;
  });
  return `${head}\n| metric | subject | median | range | samples | ratio |\n|---|---|---|---|---|---|\n${rows.join('\n')}\n`;
}

function format(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
