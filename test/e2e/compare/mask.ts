/** Takes out of an answer what differs from run to run: ids, times, addresses and the machine's own figures. */

const MASKS: readonly [RegExp, string][] = [
  [/\r/g, ""],
  // The client's own log of a copy that the daemon ended: with luck it is faster.
  [/^time=\S+ level=error msg="Can't (add file|close tar).*\n/gm, ""],
  [/sha256:[0-9a-f]{12,64}/g, "<DIGEST>"],
  [/\b[0-9a-f]{64}\b/g, "<ID>"],
  [/\b[0-9a-f]{12}\b/g, "<SHORT>"],
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)/g, "<TIME>"],
  [/\b(About |Less than )?(an?|\d+) (second|minute|hour)s?( ago)?/g, "<AGO>"],
  [/unix:\/\/\S+\.sock/g, "<SOCKET>"],
  [/\/\S*\/compare-[^/\s:"]+/g, "<FOLDER>"],
  [/(lowerdir|upperdir|workdir)=[^,\s]+/g, "$1=<LAYER>"],
  // In a list of mounts: whose file systems the host's own files and devices are on, and which cgroups it has.
  [/^(\/etc\/(?:hosts|hostname|resolv\.conf)|\/proc\/(?:interrupts|keys|timer_list)) \w+$/gm, "$1 <HOST>"],
  [/^\/sys\/fs\/cgroup (tmpfs|cgroup2)\n(\/sys\/fs\/cgroup\/\S+ cgroup\n)*/gm, "/sys/fs/cgroup <HOST>\n"],
  // Said on a host that does not forward, alone.
  [/^WARNING: IPv4 forwarding is disabled. Networking will not work.\n/gm, ""],
  // Of an endpoint in a failed `docker run`: the container's name is made up.
  [/(on endpoint )[a-z]+_[a-z]+ /g, "$1<NAME> "],
  [/(link\/ether )[0-9a-f:]{17}/g, "$1<MAC>"],
  [/(@if)\d+/g, "$1<INDEX>"],
  [/(reclaimed space: )\S+/gi, "$1<SIZE>"],
];

export const mask = (text: string): string =>
  MASKS.reduce((masked, [pattern, replacement]) => masked.replace(pattern, replacement), text);
