/**
 * `ts-proxy`, also as `docker-proxy`: forwards one port of the host to a container, with docker-proxy's flags and its two
 * descriptors. It replaces itself by the stage in its PROXY step. Our own ports have one process for all of them, which
 * the shim starts (engine/network/proxy/client.ts).
 * @source moby's cmd/docker-proxy/main_linux.go
 */
import { closeSync, fstatSync, openSync, writeSync } from "node:fs";
import { singleProxyPlan } from "../engine/network/proxy/plan.ts";
import type { HeldPort } from "../engine/network/types.ts";
import { encodePlan } from "../engine/runtime/encode.ts";
import { STAGE_FD } from "../engine/runtime/plan.ts";
import { VERSION } from "../engine/version.ts";
import { errnoMessage } from "../ffi/errno.ts";
import { complain } from "../ffi/host.ts";
import { bindPort } from "../ffi/inet.ts";
import { aboveInherited, check, closeFd, SystemError, sys } from "../ffi/libc.ts";
import { sealedData } from "../ffi/memfd.ts";
import { setNonblocking } from "../ffi/poll.ts";
import { executeStage } from "../ffi/stage/execute.ts";
import { isIP } from "./support/builtin.ts";

const USAGE = `Usage of ts-proxy:
  -container-ip value
    	container ip (default 0.0.0.0)
  -container-port int
    	container port (default -1)
  -host-ip value
    	host ip (default 0.0.0.0)
  -host-port int
    	host port (default -1)
  -proto string
    	proxy protocol (default "tcp")
  -use-listen-fd
    	use a supplied listen fd
  -v	print version information and quit
  -version
    	print version information and quit`;

/** A pipe for `0\n`, or `1\n` and what failed. */
const PARENT_FD = 3;
/** The port's socket, with `-use-listen-fd`. */
const LISTEN_FD = 4;

interface Options {
  port: HeldPort & { to: { ip: string; port: number } };
  useListenFd: boolean;
}

export function main(args: string[]): void {
  const options = parse(args);
  if (options === undefined) return;
  for (const fd of [0, 1, 2]) if (sys("fcntl", fd, 1) < 0) openSync("/dev/null", "r+");
  let socket: number;
  try {
    const { protocol, hostIp, hostPort } = options.port;
    socket = options.useListenFd ? LISTEN_FD : bindPort({ protocol, ip: hostIp, port: hostPort });
    setNonblocking(socket);
  } catch (error) {
    tell(`1\n${failure(options.port, error as Error)}`);
    process.exit(1);
  }
  const plan = sealedData("ts-plan", encodePlan(singleProxyPlan(options.port, STAGE_FD.firstPassed)));
  // Out of each other's way first: either may have the number that the other is to get.
  const [planAbove, socketAbove] = [aboveInherited(plan), aboveInherited(socket)];
  tell("0\n");
  check(sys("dup3", planAbove, STAGE_FD.plan, 0), "dup3");
  check(sys("dup3", socketAbove, STAGE_FD.firstPassed, 0), "dup3");
  // The stage's other fds are not there: it keeps its status page to itself.
  closeFd(STAGE_FD.status);
  closeFd(STAGE_FD.control);
  executeStage([process.argv0, ...args]);
}

/** To whoever started us with a pipe for it. What else has that number is Bun's own. */
function tell(text: string): void {
  try {
    const what = fstatSync(PARENT_FD);
    if (!what.isFIFO() && !what.isSocket()) throw new Error("nobody listens");
    writeSync(PARENT_FD, text);
    closeSync(PARENT_FD);
  } catch {
    if (text.startsWith("1")) complain(text.slice(2));
  }
}

function failure({ protocol, hostIp, hostPort }: HeldPort, error: Error): string {
  const host = `${isIP(hostIp) === 6 ? `[${hostIp}]` : hostIp}:${hostPort}`;
  if (!(error instanceof SystemError)) return error.message;
  const call = /^failed to create/.test(error.message) ? "socket" : "bind";
  const family = isIP(hostIp) === 6 ? "6" : "4";
  return `failed to listen on ${host}: listen ${protocol}${family} ${host}: ${call}: ${errnoMessage(error.errno)}`;
}

/** As Go's flags: one dash or two. Undefined: all is said and done. */
function parse(args: readonly string[]): Options | undefined {
  const values = new Map<string, string>([
    ["proto", "tcp"],
    ["host-ip", "0.0.0.0"],
    ["host-port", "-1"],
    ["container-ip", "0.0.0.0"],
    ["container-port", "-1"],
  ]);
  let useListenFd = false;
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    const [, name = "", , inline] = /^--?([a-z-]+)(=(.*))?$/s.exec(word) ?? [];
    if (name === "") return wrong(`unexpected argument: ${word}`);
    if (name === "v" || name === "version") return void console.log(`ts-proxy version ${VERSION}`);
    if (name === "h" || name === "help") return void console.log(USAGE);
    if (name === "use-listen-fd") useListenFd = inline !== "false";
    else if (!values.has(name)) return wrong(`flag provided but not defined: -${name}`);
    else {
      const value = inline ?? args[++at];
      if (value === undefined) return wrong(`flag needs an argument: -${name}`);
      values.set(name, value);
    }
  }
  const text = (name: string): string => values.get(name)!;
  const protocol = text("proto");
  if (protocol !== "tcp" && protocol !== "udp" && protocol !== "sctp") {
    tell(`1\nunsupported protocol ${protocol}`);
    process.exit(1);
  }
  for (const name of ["host-ip", "container-ip"]) {
    if (isIP(text(name)) === 0)
      return wrong(`invalid value ${JSON.stringify(text(name))} for flag -${name}: invalid IP address`);
  }
  for (const name of ["host-port", "container-port"]) {
    if (!/^\d+$/.test(text(name)) || Number(text(name)) > 65_535)
      return wrong(`invalid value ${JSON.stringify(text(name))} for flag -${name}: parse error`);
  }
  const to = { ip: text("container-ip"), port: Number(text("container-port")) };
  return {
    port: { protocol, hostIp: text("host-ip"), hostPort: Number(text("host-port")), to },
    useListenFd,
  };
}

/** Go's status for flags that it does not understand. */
function wrong(what: string): undefined {
  complain(`${what}\n${USAGE}`);
  process.exit(2);
}
