// The worklet as a file, for pages whose Content-Security-Policy allows no Blob.
import { Jitter, register } from "./jitter.js";

register(Jitter);
