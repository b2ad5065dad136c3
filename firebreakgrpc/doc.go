// Package firebreakgrpc brings firebreak's policies to gRPC: [DialOptions] to the calls of
// a client, [ServerOptions] to those that a server serves.
//
// What a policy or a timeout ends comes back as an error that has a gRPC status, for
// those who ask status.Code, and still matches what package firebreak and the policies
// say of it, for those who ask [errors.Is] and [errors.As]:
//
//	open circuit, closing server             UNAVAILABLE
//	full bulkhead, shed load, spent quota    RESOURCE_EXHAUSTED
//	timeout, deadline of the caller          DEADLINE_EXCEEDED
//	caller who gave up                       CANCELLED
//
// Where it is known after what time the call may pass, the status says so in a
// google.rpc.RetryInfo. What a server answers comes back as it came.
package firebreakgrpc
