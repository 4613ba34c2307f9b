/** The types of `inspect` on images. @source github.com/docker/docker v28.2.2, api/types/image */
import type { Types } from "../typed.ts";
import { CONTAINER_TYPES } from "./container.ts";

export const IMAGE = "image.InspectResponse";

export const IMAGE_TYPES: Types = {
  ...CONTAINER_TYPES,
  "image.InspectResponse": `ID:Id RepoTags=[]s RepoDigests=[]s Parent Comment Created? Container?
    ContainerConfig=*container.Config? DockerVersion Author Config=*v1.DockerOCIImageConfig Architecture Variant? Os
    OsVersion? Size=n VirtualSize=n? GraphDriver=storage.DriverData RootFS=image.RootFS Metadata=image.Metadata
    Descriptor=*v1.Descriptor? Manifests=[]image.ManifestSummary?`,
  "v1.DockerOCIImageConfig":
    "+ImageConfig=v1.ImageConfig +DockerOCIImageConfigExt=v1.DockerOCIImageConfigExt",
  "v1.ImageConfig": `User? ExposedPorts={}empty? Env=[]s? Entrypoint=[]s? Cmd=[]s? Volumes={}empty? WorkingDir?
    Labels={}s? StopSignal? ArgsEscaped=b?`,
  "v1.DockerOCIImageConfigExt": "Healthcheck=*v1.HealthcheckConfig? OnBuild=[]s? Shell=[]s?",
  "image.RootFS": "Type? Layers=[]s?",
  "image.Metadata": "LastTagTime=time",
  "image.ManifestSummary": `ID Descriptor=v1.Descriptor Available=b Size=image.ManifestSize Kind
    ImageData=*image.ImageProperties? AttestationData=*image.AttestationProperties?`,
  "image.ManifestSize": "Content=n Total=n",
  "image.ImageProperties": "Platform=v1.Platform Size=image.ImageSize Containers=[]s",
  "image.ImageSize": "Unpacked=n",
  "image.AttestationProperties": "For",
};
