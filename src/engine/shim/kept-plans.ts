/**
 * The containers' plans of a long-lived process: most containers differ in their names alone, and so do their plans. The
 * encoded plan of one is kept, with the places of the names in it, for the next one that is asked for in the same words.
 *
 * Nobody has to know where the names are: the same launch is compiled under two made-up names, and where the two plans
 * differ is where they are. A plan that differs in anything but whole names is not kept. So whatever else a plan is made
 * from must be the same for as long as this process lives.
 */
import { Lapse } from "../lapse.ts";
import { encodePlan } from "../runtime/encode.ts";
import type { Plan } from "../runtime/plan.ts";
import type { EncodedPlan, Labels } from "../runtime/stage.ts";
import {
  kindOf,
  type Launch,
  type LaunchNames,
  namesOf,
  otherNames,
  renamed,
  withId,
  withoutId,
} from "./launch-names.ts";
import { type PlanTemplate, templateOf } from "./plan-template.ts";

export interface ContainerPlan<Form = Plan> {
  plan: Form;
  /** As of `Compiled`. */
  cgroups: string[];
  ownPids: boolean;
}

/** Undefined: it is not made from the launch alone. */
type Compile = (launch: Launch) => ContainerPlan | undefined;

/** Of all containers of one kind. */
interface Kept {
  /** Folders without the id. */
  made?: { template: PlanTemplate; cgroups: string[]; ownPids: boolean } | undefined;
  /** It has been seen again: there will be a template, or never. */
  again: boolean;
  size: number;
}

/** Of plans and the words that they were asked for by. A usual plan has 70 KB, and 10 KB of words. */
const MAX_SIZE = 2 * 1024 * 1024;
/** Not one of a few that are huge. */
const MAX_ONE = MAX_SIZE / 10;
/** The second container of a kind does not wait for what the third has a use for. */
const LATER_MS = 50;

export class KeptPlans {
  readonly #compile: Compile;
  readonly #later: (work: () => void) => void;
  /** What was used last is the last to go. */
  readonly #kept = new Map<string, Kept>();
  readonly #lapse: Lapse;
  #size = 0;

  /** `unusedMs`: how long they are kept without use. */
  constructor(
    compile: Compile,
    later: (work: () => void) => void = (work) => setTimeout(work, LATER_MS),
    unusedMs?: number,
  ) {
    this.#compile = compile;
    this.#later = later;
    this.#lapse = new Lapse(() => {
      this.#kept.clear();
      this.#size = 0;
    }, unusedMs);
  }

  /** When one of its kind is kept. The plan's bytes are lent: they are to be read at once. */
  find(launch: Launch): ContainerPlan<EncodedPlan> | undefined {
    const names = namesOf(launch);
    if (names === undefined) return undefined;
    const kind = kindOf(launch);
    this.#lapse.used();
    const known = this.#kept.get(kind);
    const kept = known ?? { again: false, size: kind.length };
    this.#keep(kind, kept);
    if (kept.made !== undefined) {
      const { template, cgroups, ownPids } = kept.made;
      const plan = this.#planOf(launch, () => template.fill(names));
      return { plan, cgroups: cgroups.map((path) => withId(path, names.id)), ownPids };
    }
    if (known !== undefined && !known.again) {
      known.again = true;
      this.#later(() => this.#learn(kind, launch, names));
    }
    return undefined;
  }

  /** Labels are asked for when a start has failed: then it is compiled. */
  #planOf(launch: Launch, fill: () => Uint8Array): EncodedPlan {
    let made: Labels | undefined;
    const labels = (): Labels => {
      made ??= this.#compile(launch)?.plan ?? { steps: [] };
      return made;
    };
    return {
      get bytes() {
        return fill();
      },
      get steps() {
        return labels().steps;
      },
      get nested() {
        return labels().nested;
      },
    };
  }

  #learn(kind: string, launch: Launch, names: LaunchNames): void {
    // Others may have driven it out.
    if (!this.#kept.has(kind)) return;
    const made = this.#make(launch, names);
    if (made) this.#keep(kind, { made, again: true, size: kind.length + made.template.size });
  }

  #make(launch: Launch, names: LaunchNames): Kept["made"] {
    try {
      const [one, two] = otherNames(names).map((other) => this.#sample(launch, other));
      if (!one || !two || one.cgroups.join("\0") !== two.cgroups.join("\0")) return undefined;
      const template = templateOf(one, two);
      return template && { template, cgroups: one.cgroups, ownPids: one.ownPids };
    } catch {
      // It cannot be carried out, which the launch itself tells.
      return undefined;
    }
  }

  #sample(launch: Launch, names: LaunchNames) {
    const made = this.#compile(renamed(launch, names));
    if (made === undefined) return undefined;
    const cgroups = made.cgroups.map((path) => withoutId(path, names.id));
    return { names, plan: encodePlan(made.plan), cgroups, ownPids: made.ownPids };
  }

  #keep(kind: string, kept: Kept): void {
    this.#drop(kind);
    if (kept.size > MAX_ONE) return;
    this.#kept.set(kind, kept);
    this.#size += kept.size;
    while (this.#size > MAX_SIZE) this.#drop(this.#kept.keys().next().value as string);
  }

  #drop(kind: string): void {
    this.#size -= this.#kept.get(kind)?.size ?? 0;
    this.#kept.delete(kind);
  }
}
