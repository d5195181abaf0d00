// The one who writes. Everybody's changes wait in a queue; whoever is there when a transaction begins goes into it together, shares its
// fsync, and is answered after it. The next transaction is made up when the one before is durable, so what it reads is what is there.

import { closedStore, StorageError } from '../errors.ts';
import { type Draft, draftOf, writeDraft } from './draft.ts';
import { commitFailure, type Environment } from './environment.ts';

export interface Change<T> {
  /** It begins a transaction, so that `environment` shows all that came before it. */
  readonly begins?: boolean;
  /** Looks at what is there and what the changes before it are going to do; throws StorageError to refuse. The result does it. */
  readonly prepare: (draft: Draft, environment: Environment) => () => T;
}

interface Waiting {
  readonly begins: boolean;
  readonly run: (draft: Draft, environment: Environment) => void;
  readonly settle: (error: StorageError | undefined) => void;
}

export interface WriterOptions {
  readonly path: string;
  readonly environment: () => Environment;
  /** Before a transaction is handed over, after the changes: a little of the work nobody waits for. */
  readonly aside: (draft: Draft, environment: Environment) => void;
  /** Before anybody is answered: the transaction is durable, or (with the error) nothing of it is. */
  readonly onSettled: (error: StorageError | undefined) => void;
}

/** More than these go into the next transaction, so that nobody waits for too much at once. */
const MOST = 1000;

export class Writer {
  readonly #options: WriterOptions;
  #queue: Waiting[] = [];
  #running: Promise<void> | undefined;
  #held: Promise<unknown> | undefined;
  #closed = false;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** Resolves once it is durable. */
  write<T>({ prepare, begins = false }: Change<T>): Promise<T> {
    if (this.#closed) return Promise.reject(closedStore());
    return new Promise<T>((resolve, reject) => {
      let outcome: { readonly value: T } | StorageError | undefined;
      this.#queue.push({
        begins,
        run(draft, environment) {
          try {
            outcome = { value: prepare(draft, environment)() };
          } catch (error) {
            if (!(error instanceof StorageError)) throw error;
            outcome = error;
          }
        },
        settle(error) {
          if (error !== undefined) reject(error);
          else if (outcome instanceof StorageError) reject(outcome);
          else if (outcome !== undefined) resolve(outcome.value);
        },
      });
      this.#start();
    });
  }

  /** Runs `work` while nothing is written; what comes meanwhile waits. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    while (this.#held !== undefined) await this.#held;
    const running = this.#running;
    const held = (async () => {
      await running;
      return await work();
    })();
    this.#held = held.catch(() => {});
    try {
      return await held;
    } finally {
      this.#held = undefined;
      this.#start();
    }
  }

  /** Waits for what was asked before. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#running !== undefined || this.#held !== undefined) await (this.#running ?? this.#held);
  }

  #start(): void {
    if (this.#running !== undefined || this.#held !== undefined || this.#queue.length === 0) return;
    this.#running = this.#drain().finally(() => {
      this.#running = undefined;
      this.#start();
    });
  }

  async #drain(): Promise<void> {
    // Whoever asks in the same turn goes along.
    await Promise.resolve();
    while (this.#queue.length > 0 && this.#held === undefined) {
      const cut = this.#queue.findIndex(({ begins }, index) => begins && index > 0);
      const batch = this.#queue.splice(0, cut < 0 ? MOST : Math.min(cut, MOST));
      const error = await this.#transact(batch);
      this.#options.onSettled(error);
      for (const waiting of batch) waiting.settle(error);
    }
  }

  async #transact(batch: readonly Waiting[]): Promise<StorageError | undefined> {
    const environment = this.#options.environment();
    try {
      const draft = draftOf(environment);
      for (const waiting of batch) waiting.run(draft, environment);
      this.#options.aside(draft, environment);
      await writeDraft(environment, draft);
      return undefined;
    } catch (cause) {
      return await commitFailure(cause, this.#options.path);
    }
  }
}
