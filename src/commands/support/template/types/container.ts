/** The types of `inspect` on containers. @source github.com/docker/docker v28.2.2, api/types/container */
import type { Types } from "../typed.ts";

export const CONTAINER = "container.InspectResponse";

export const CONTAINER_TYPES: Types = {
  "container.InspectResponse": `+ContainerJSONBase=*container.ContainerJSONBase Mounts=[]container.MountPoint
    Config=*container.Config NetworkSettings=*container.NetworkSettings ImageManifestDescriptor=*v1.Descriptor?`,
  "container.ContainerJSONBase": `ID:Id Created Path Args=[]s State=*container.State Image ResolvConfPath HostnamePath
    HostsPath LogPath Name RestartCount=n Driver Platform MountLabel ProcessLabel AppArmorProfile ExecIDs=[]s
    HostConfig=*container.HostConfig GraphDriver=storage.DriverData SizeRw=*n? SizeRootFs=*n?`,
  "container.State": `Status Running=b Paused=b Restarting=b OOMKilled=b Dead=b Pid=n ExitCode=n Error StartedAt
    FinishedAt Health=*container.Health?`,
  "container.Health": "Status FailingStreak=n Log=[]*container.HealthcheckResult",
  "container.HealthcheckResult": "Start=time End=time ExitCode=n Output",
  "container.HostConfig": `Binds=[]s ContainerIDFile LogConfig=container.LogConfig NetworkMode
    PortBindings={}[]nat.PortBinding@nat.PortMap RestartPolicy=container.RestartPolicy AutoRemove=b VolumeDriver VolumesFrom=[]s
    ConsoleSize=[]n Annotations={}s? CapAdd=[]s@strslice.StrSlice CapDrop=[]s@strslice.StrSlice CgroupnsMode DNS:Dns=[]s DNSOptions:DnsOptions=[]s
    DNSSearch:DnsSearch=[]s ExtraHosts=[]s GroupAdd=[]s IpcMode Cgroup Links=[]s OomScoreAdj=n PidMode Privileged=b
    PublishAllPorts=b ReadonlyRootfs=b SecurityOpt=[]s StorageOpt={}s? Tmpfs={}s? UTSMode UsernsMode ShmSize=n
    Sysctls={}s? Runtime? Isolation +Resources=container.Resources Mounts=[]mount.Mount? MaskedPaths=[]s
    ReadonlyPaths=[]s Init=*b?`,
  "container.LogConfig": "Type Config={}s",
  "container.RestartPolicy": "Name MaximumRetryCount=n",
  "container.Resources": `CPUShares:CpuShares=n Memory=n NanoCPUs:NanoCpus=n CgroupParent BlkioWeight=n
    BlkioWeightDevice=[]*blkiodev.WeightDevice BlkioDeviceReadBps=[]*blkiodev.ThrottleDevice
    BlkioDeviceWriteBps=[]*blkiodev.ThrottleDevice BlkioDeviceReadIOps=[]*blkiodev.ThrottleDevice
    BlkioDeviceWriteIOps=[]*blkiodev.ThrottleDevice CPUPeriod:CpuPeriod=n CPUQuota:CpuQuota=n
    CPURealtimePeriod:CpuRealtimePeriod=n CPURealtimeRuntime:CpuRealtimeRuntime=n CpusetCpus CpusetMems
    Devices=[]container.DeviceMapping DeviceCgroupRules=[]s DeviceRequests=[]container.DeviceRequest KernelMemory=n?
    KernelMemoryTCP=n? MemoryReservation=n MemorySwap=n MemorySwappiness=*n OomKillDisable=*b PidsLimit=*n
    Ulimits=[]*units.Ulimit CPUCount:CpuCount=n CPUPercent:CpuPercent=n IOMaximumIOps=n IOMaximumBandwidth=n`,
  "container.DeviceMapping": "PathOnHost PathInContainer CgroupPermissions",
  "container.DeviceRequest": "Driver Count=n DeviceIDs=[]s Capabilities=[][]s Options={}s",
  "blkiodev.WeightDevice": "Path Weight=n",
  "blkiodev.ThrottleDevice": "Path Rate=n",
  "units.Ulimit": "Name Hard=n Soft=n",
  "nat.PortBinding": "HostIP:HostIp HostPort",
  "mount.Mount": `Type? Source? Target? ReadOnly=b? Consistency? BindOptions=*mount.BindOptions?
    VolumeOptions=*mount.VolumeOptions? ImageOptions=*mount.ImageOptions? TmpfsOptions=*mount.TmpfsOptions?
    ClusterOptions=*empty?`,
  "mount.BindOptions": `Propagation? NonRecursive=b? CreateMountpoint=b? ReadOnlyNonRecursive=b?
    ReadOnlyForceRecursive=b?`,
  "mount.VolumeOptions": "NoCopy=b? Labels={}s? Subpath? DriverConfig=*mount.Driver?",
  "mount.ImageOptions": "Subpath?",
  "mount.TmpfsOptions": "SizeBytes=n? Mode=n? Options=[][]s?",
  "mount.Driver": "Name? Options={}s?",
  "container.MountPoint": "Type? Name? Source Destination Driver? Mode RW=b Propagation",
  "container.Config": `Hostname Domainname User AttachStdin=b AttachStdout=b AttachStderr=b ExposedPorts={}empty@nat.PortSet? Tty=b
    OpenStdin=b StdinOnce=b Env=[]s Cmd=[]s@strslice.StrSlice Healthcheck=*v1.HealthcheckConfig? ArgsEscaped=b? Image Volumes={}empty
    WorkingDir Entrypoint=[]s@strslice.StrSlice NetworkDisabled=b? MacAddress? OnBuild=[]s Labels={}s StopSignal? StopTimeout=*n?
    Shell=[]s@strslice.StrSlice?`,
  "v1.HealthcheckConfig": "Test=[]s? Interval=n? Timeout=n? StartPeriod=n? StartInterval=n? Retries=n?",
  "container.NetworkSettings": `+NetworkSettingsBase=container.NetworkSettingsBase
    +DefaultNetworkSettings=container.DefaultNetworkSettings Networks={}*network.EndpointSettings`,
  "container.NetworkSettingsBase": `Bridge SandboxID SandboxKey Ports={}[]nat.PortBinding@nat.PortMap HairpinMode=b
    LinkLocalIPv6Address LinkLocalIPv6PrefixLen=n SecondaryIPAddresses=[]network.Address
    SecondaryIPv6Addresses=[]network.Address`,
  "container.DefaultNetworkSettings": `EndpointID Gateway GlobalIPv6Address GlobalIPv6PrefixLen=n IPAddress
    IPPrefixLen=n IPv6Gateway MacAddress`,
  "network.Address": "Addr PrefixLen=n",
  "network.EndpointSettings": `IPAMConfig=*network.EndpointIPAMConfig Links=[]s Aliases=[]s MacAddress DriverOpts={}s
    GwPriority=n NetworkID EndpointID Gateway IPAddress IPPrefixLen=n IPv6Gateway GlobalIPv6Address
    GlobalIPv6PrefixLen=n DNSNames=[]s`,
  "network.EndpointIPAMConfig": "IPv4Address? IPv6Address? LinkLocalIPs=[]s?",
  "storage.DriverData": "Data={}s Name",
  "v1.Descriptor": `MediaType:mediaType Digest:digest Size:size=n URLs:urls=[]s? Annotations:annotations={}s?
    Data:data=[]n? Platform:platform=*v1.Platform? ArtifactType:artifactType?`,
  "v1.Platform":
    "Architecture:architecture OS:os OSVersion:os.version? OSFeatures:os.features=[]s? Variant:variant?",
  empty: "",
};
