/**
 * What Docker's client knows of the types behind the API's JSON, as far as it shows in templates: which lists are
 * shown empty when they are null, which fields exist although the answer leaves them out, and which objects are maps.
 */

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

export const LISTS = words(`
  Args Binds BlkioDeviceReadBps BlkioDeviceReadIOps BlkioDeviceWriteBps BlkioDeviceWriteIOps BlkioWeightDevice CapAdd
  CapDrop Cmd DeviceCgroupRules DeviceRequests Devices Dns DnsOptions DnsSearch Entrypoint Env ExecIDs ExtraHosts
  GroupAdd Links MaskedPaths Mounts OnBuild ReadonlyPaths RepoDigests RepoTags SecurityOpt Shell Ulimits VolumesFrom
  Warnings Labels`);

export const OPTIONAL = words("Healthcheck Init PidsLimit SizeRootFs SizeRw StopTimeout");

export const MAPS = words(`
  Annotations Attributes Config Data DriverOpts ExposedPorts Labels Metadata Networks Options PortBindings Ports Runtimes
  Sysctls Tmpfs Volumes`);

/** Go's names where the JSON has others. */
export const RENAMED: Readonly<Record<string, string>> = { ID: "Id" };
