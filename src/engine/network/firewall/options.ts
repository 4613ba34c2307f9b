import type { Families } from "./state.ts";

export interface FirewallOptions {
  /** Of the data root: tells its rules from those of another. */
  engineId: string;
  /** On tmpfs: what has to be put back is remembered here. */
  execRoot: string;
  /** `--iptables` and `--ip6tables`: what is of another family goes as if we were not here. */
  families: Families;
  /** `--ip-forward`: make this host forward. */
  ipForward: boolean;
  /** The host's 127.0.0.1 is ts-proxy's alone: see `proxiedFamilies`. Otherwise the kernel forwards it. */
  proxyLoopback: boolean;
  warn(message: string): void;
}
