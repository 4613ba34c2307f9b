/** The types of `events`, `info` and `version`. @source github.com/docker/cli v28.2.2, cli/command/system */
import type { Types } from "../typed.ts";

export const SYSTEM_TYPES: Types = {
  "events.Message":
    "Status:status? ID:id? From:from? Type Action Actor=events.Actor Scope:scope? Time:time=n? TimeNano:timeNano=n?",
  "events.Actor": "ID Attributes={}s",
  "system.versionInfo": "Client=system.clientVersion Server=*types.Version",
  "system.clientVersion": `Platform=*system.platformInfo? Version? APIVersion:ApiVersion? DefaultAPIVersion? GitCommit
    GoVersion Os Arch BuildTime? Context`,
  "system.platformInfo": "Name?",
  "types.Version": `Platform=system.serverPlatform Components=[]types.ComponentVersion? Version APIVersion:ApiVersion
    MinAPIVersion? GitCommit GoVersion Os Arch KernelVersion? Experimental=b? BuildTime?`,
  "system.serverPlatform": "Name",
  "types.ComponentVersion": "Name Version Details={}s?",
  "system.dockerInfo": `+Info=*system.Info? ServerErrors=[]s? UserName- ClientInfo=*system.clientInfo?
    ClientErrors=[]s?`,
  "system.clientInfo": "Debug=b +clientVersion=system.clientVersion Plugins=[]any Warnings=[]s",
  "system.Info": `ID Containers=n ContainersRunning=n ContainersPaused=n ContainersStopped=n Images=n Driver
    DriverStatus=[][]s SystemStatus=[][]s? Plugins=system.PluginsInfo MemoryLimit=b SwapLimit=b KernelMemory=b?
    KernelMemoryTCP=b? CPUCfsPeriod:CpuCfsPeriod=b CPUCfsQuota:CpuCfsQuota=b CPUShares=b CPUSet=b PidsLimit=b
    IPv4Forwarding=b Debug=b NFd=n OomKillDisable=b NGoroutines=n SystemTime LoggingDriver CgroupDriver CgroupVersion?
    NEventsListener=n KernelVersion OperatingSystem OSVersion OSType Architecture IndexServerAddress
    RegistryConfig=*registry.ServiceConfig NCPU=n MemTotal=n GenericResources=[]any DockerRootDir HTTPProxy:HttpProxy
    HTTPSProxy:HttpsProxy NoProxy Name Labels=[]s ExperimentalBuild=b ServerVersion
    Runtimes={}system.RuntimeWithStatus DefaultRuntime Swarm=swarm.Info LiveRestoreEnabled=b Isolation InitBinary
    ContainerdCommit=system.Commit RuncCommit=system.Commit InitCommit=system.Commit SecurityOptions=[]s
    ProductLicense? DefaultAddressPools=[]system.NetworkAddressPool? FirewallBackend=*system.FirewallInfo?
    CDISpecDirs=[]s DiscoveredDevices=[]system.DeviceInfo? Containerd=*system.ContainerdInfo? Warnings=[]s`,
  "system.PluginsInfo": "Volume=[]s Network=[]s Authorization=[]s Log=[]s",
  "registry.ServiceConfig": `AllowNondistributableArtifactsCIDRs=[]s? AllowNondistributableArtifactsHostnames=[]s?
    InsecureRegistryCIDRs=[]s IndexConfigs={}*registry.IndexInfo Mirrors=[]s ExtraFields={}any-`,
  "registry.IndexInfo": "Name Mirrors=[]s Secure=b Official=b",
  "system.RuntimeWithStatus": "+Runtime=system.Runtime Status:status={}s?",
  "system.Runtime": "Path:path? Args:runtimeArgs=[]s? Type:runtimeType? Options:options={}any?",
  "swarm.Info": `NodeID NodeAddr LocalNodeState ControlAvailable=b Error RemoteManagers=[]any Nodes=n? Managers=n?
    Cluster=*empty? Warnings=[]s?`,
  "system.Commit": "ID Expected?",
  "system.NetworkAddressPool": "Base Size=n",
  "system.FirewallInfo": "Driver Info=[][]s?",
  "system.DeviceInfo": "Source ID",
  "system.ContainerdInfo": "Address? Namespaces=system.ContainerdNamespaces",
  "system.ContainerdNamespaces": "Containers Plugins",
  empty: "",
};
