/**
 * D-Bus values as bytes, little-endian: all but file descriptors and what only they have.
 * @source D-Bus specification, "Marshaling"
 */

export type Value = string | number | bigint | boolean | Variant | Value[] | Map<Value, Value>;

/** A value with its type. */
export class Variant {
  constructor(
    readonly signature: string,
    readonly value: Value,
  ) {}
}

/** What a message may have in all, by the specification: 128 MiB. We never see a hundredth. */
export const MAX_MESSAGE = 1 << 27;

/** One complete type from the front: `a{sv}` of `a{sv}s`. @throws Error for what is none */
export function firstType(signature: string): string {
  const [first] = signature;
  if (first === "a") return `a${firstType(signature.slice(1))}`;
  if (first === "(" || first === "{") {
    let depth = 0;
    for (let at = 0; at < signature.length; at++) {
      if ("({".includes(signature[at]!)) depth++;
      else if (")}".includes(signature[at]!) && --depth === 0) return signature.slice(0, at + 1);
    }
  } else if (first !== undefined && "ybnqiuxtdsogvh".includes(first)) return first;
  throw new Error(`D-Bus signature ${JSON.stringify(signature)}`);
}

export function* types(signature: string): Generator<string> {
  for (let rest = signature; rest !== ""; ) {
    const type = firstType(rest);
    yield type;
    rest = rest.slice(type.length);
  }
}

const ALIGNMENT: Record<string, number> = {
  ...{ y: 1, g: 1, v: 1, n: 2, q: 2, b: 4, i: 4, u: 4, h: 4, s: 4, o: 4, a: 4 },
  ...{ x: 8, t: 8, d: 8, "(": 8, "{": 8 },
};
const alignmentOf = (type: string): number => ALIGNMENT[type[0]!] ?? 1;

export class Writer {
  #bytes = new Uint8Array(256);
  #length = 0;

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  align(to: number): void {
    this.#length = Math.ceil(this.#length / to) * to;
    this.#room(0);
  }

  /** Everything but `h`. Of 64 bits a number will do, too. */
  write(type: string, value: Value): void {
    this.align(alignmentOf(type));
    switch (type[0]) {
      case "y":
        this.#raw(new Uint8Array([value as number]));
        break;
      case "b":
      case "u":
        this.#u32(Number(value));
        break;
      case "n":
      case "q":
        this.#raw(new Uint8Array(new Uint16Array([value as number]).buffer));
        break;
      case "i":
        this.#u32(value as number);
        break;
      case "x":
      case "t":
        this.#raw(
          new Uint8Array(new BigUint64Array([BigInt.asUintN(64, BigInt(value as number | bigint))]).buffer),
        );
        break;
      case "d":
        this.#raw(new Uint8Array(new Float64Array([value as number]).buffer));
        break;
      case "s":
      case "o": {
        const text = new TextEncoder().encode(value as string);
        this.#u32(text.length);
        this.#raw(text);
        this.#raw(new Uint8Array(1));
        break;
      }
      case "g":
        this.#signature(value as string);
        break;
      case "v": {
        const { signature, value: inside } = value as Variant;
        this.#signature(signature);
        this.write(signature, inside);
        break;
      }
      case "a":
        this.#array(type.slice(1), value instanceof Map ? [...value] : (value as Value[]));
        break;
      case "(":
      case "{": {
        const inside = [...types(type.slice(1, -1))];
        for (const [n, one] of inside.entries()) this.write(one, (value as Value[])[n]!);
        break;
      }
      default:
        throw new Error(`D-Bus type ${type} is not written here`);
    }
  }

  #array(type: string, items: readonly Value[]): void {
    const at = this.#length;
    this.#u32(0);
    // The padding before the first is no part of the length.
    this.align(alignmentOf(type));
    const begin = this.#length;
    for (const item of items) this.write(type, item);
    new DataView(this.#bytes.buffer).setUint32(at, this.#length - begin, true);
  }

  #signature(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.#raw(new Uint8Array([bytes.length, ...bytes, 0]));
  }

  #u32(value: number): void {
    this.#raw(new Uint8Array(new Uint32Array([value]).buffer));
  }

  #raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const bigger = new Uint8Array((this.#length + more) * 2);
    bigger.set(this.#bytes);
    this.#bytes = bigger;
  }
}

/** @throws RangeError, as DataView does, where a message ends too soon */
export class Reader {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = at;
  }

  align(to: number): void {
    this.#at = Math.ceil(this.#at / to) * to;
  }

  get at(): number {
    return this.#at;
  }

  read(type: string): Value {
    this.align(alignmentOf(type));
    switch (type[0]) {
      case "y":
        return this.#number(1, (at) => this.#view.getUint8(at));
      case "b":
        return this.#number(4, (at) => this.#view.getUint32(at, true)) !== 0;
      case "n":
        return this.#number(2, (at) => this.#view.getInt16(at, true));
      case "q":
        return this.#number(2, (at) => this.#view.getUint16(at, true));
      case "i":
        return this.#number(4, (at) => this.#view.getInt32(at, true));
      case "u":
      case "h":
        return this.#number(4, (at) => this.#view.getUint32(at, true));
      case "x":
        return this.#number(8, (at) => this.#view.getBigInt64(at, true));
      case "t":
        return this.#number(8, (at) => this.#view.getBigUint64(at, true));
      case "d":
        return this.#number(8, (at) => this.#view.getFloat64(at, true));
      case "s":
      case "o":
        return this.#text(this.#number(4, (at) => this.#view.getUint32(at, true)));
      case "g":
        return this.#text(this.#number(1, (at) => this.#view.getUint8(at)));
      case "v": {
        const signature = this.read("g") as string;
        return this.read(firstType(signature));
      }
      case "a":
        return this.#array(type.slice(1));
      default:
        return [...types(type.slice(1, -1))].map((one) => this.read(one));
    }
  }

  #array(type: string): Value {
    const length = this.#number(4, (at) => this.#view.getUint32(at, true));
    this.align(alignmentOf(type));
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError("a D-Bus array beyond its message");
    const items: Value[] = [];
    while (this.#at < end) items.push(this.read(type));
    return type[0] === "{" ? new Map(items as [Value, Value][]) : items;
  }

  #number<T>(size: number, get: (at: number) => T): T {
    const value = get(this.#at);
    this.#at += size;
    return value;
  }

  #text(length: number): string {
    const end = this.#at + length;
    if (end + 1 > this.#bytes.length) throw new RangeError("a D-Bus string beyond its message");
    const text = new TextDecoder().decode(this.#bytes.subarray(this.#at, end));
    this.#at = end + 1;
    return text;
  }
}
