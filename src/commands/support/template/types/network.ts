/** The types of `inspect` on networks. @source github.com/docker/docker v28.2.2, api/types/network */
import type { Types } from "../typed.ts";

export const NETWORK = "network.Inspect";

export const NETWORK_TYPES: Types = {
  "network.Inspect": `Name ID:Id Created=time Scope Driver EnableIPv4=b EnableIPv6=b IPAM=network.IPAM Internal=b
    Attachable=b Ingress=b ConfigFrom=network.ConfigReference ConfigOnly=b Containers={}network.EndpointResource
    Options={}s Labels={}s Peers=[]network.PeerInfo? Services={}network.ServiceInfo?`,
  "network.IPAM": "Driver Options={}s Config=[]network.IPAMConfig",
  "network.IPAMConfig": "Subnet? IPRange? Gateway? AuxAddress:AuxiliaryAddresses={}s?",
  "network.ConfigReference": "Network",
  "network.EndpointResource": "Name EndpointID MacAddress IPv4Address IPv6Address",
  "network.PeerInfo": "Name IP",
  "network.ServiceInfo": "VIP Ports=[]s LocalLBIndex=n Tasks=[]network.Task",
  "network.Task": "Name EndpointID EndpointIP Info={}s",
};
