/** Verbs that do the same to several things: names are printed as they succeed, complaints come at the end. */
import { Failure, messageOf } from "./failure.ts";
import { out } from "./output.ts";

export interface EachOptions {
  /** All at once rather than one after the other; results are still shown in order. */
  readonly parallel?: boolean;
}

export async function forEach(
  names: readonly string[],
  act: (name: string) => Promise<string | undefined>,
  options: EachOptions = {},
): Promise<void> {
  const errors: string[] = [];
  const settle = async (name: string): Promise<() => void> => {
    try {
      const text = await act(name);
      return () => {
        if (text !== undefined) out(`${text}\n`);
      };
    } catch (error) {
      return () => errors.push(messageOf(error));
    }
  };
  if (options.parallel) {
    // So many at a time, as Docker's client does it.
    for (let at = 0; at < names.length; at += 50) {
      for (const show of await Promise.all(names.slice(at, at + 50).map(settle))) show();
    }
  } else for (const name of names) (await settle(name))();
  if (errors.length > 0) throw new Failure(errors.join("\n"));
}
