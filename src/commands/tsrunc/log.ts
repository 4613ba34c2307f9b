/** Errors and warnings as runc logs them: containerd reads the JSON lines of `--log` for the reason of a failure. */
import { absolute, appendText, complain } from "../../ffi/host.ts";

export class Log {
  readonly #file: string | undefined;
  readonly #json: boolean;

  /** @throws SystemError for a file that cannot be written: whoever asked for it would wait for the reason in vain */
  constructor(file: string | undefined, format: string) {
    if (format !== "text" && format !== "json") throw new Error(`invalid log-format: ${format}`);
    this.#file = file;
    this.#json = format === "json";
    if (file) appendText(file, "");
  }

  /** The global flags that make another call log in the same way. */
  get flags(): string[] {
    return [
      ...(this.#file ? ["--log", absolute(this.#file)] : []),
      ...(this.#json ? ["--log-format", "json"] : []),
    ];
  }

  error(message: string): void {
    this.#write("error", message);
    if (this.#file) complain(message);
  }

  warning(message: string): void {
    this.#write("warning", message);
  }

  #write(level: string, msg: string): void {
    const time = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    const line = this.#json
      ? JSON.stringify({ level, msg, time })
      : `time=${JSON.stringify(time)} level=${level} msg=${JSON.stringify(msg)}`;
    if (!this.#file) {
      complain(line);
      return;
    }
    try {
      appendText(this.#file, `${line}\n`);
    } catch (error) {
      complain(`cannot write the log file: ${(error as Error).message}`);
    }
  }
}
