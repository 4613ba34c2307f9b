/** What the daemon's options say of networks. */

/** The default network's bridge. Addresses and prefixes are empty where nothing was said. */
export interface DefaultBridgeConfig {
  /** `--bridge`: empty for one of our own, `none` for no default network at all. */
  bridge: string;
  bip: string;
  bip6: string;
  fixedCidr: string;
  fixedCidr6: string;
  gateway: string;
  gateway6: string;
  /** 0: the kernel's. */
  mtu: number;
  icc: boolean;
  masquerade: boolean;
  ipv6: boolean;
  /** `--ip`: where ports are published unless they say. */
  bindingIp: string;
}

export interface NetworkConfig {
  /** `--firewall-backend`, also where it is told to do nothing: `info` names it, as in Docker. */
  firewall: string;
  defaultBridge: DefaultBridgeConfig;
  dns: readonly string[];
  dnsSearch: readonly string[];
  dnsOptions: readonly string[];
  /** What `host-gateway` means; empty: the default bridge's own addresses. */
  hostGateways: readonly string[];
  /** Links on the default bridge set variables, as they did before Docker 29. */
  linkVariables: boolean;
  /** `--default-network-opt`: by driver. */
  defaultOptions: Readonly<Record<string, Record<string, string>>>;
}
