// Package audit finds calls and servers without a bound: requests that may hang for
// ever, servers that wait for their clients without end, contexts that never expire and
// reach a blocking call.
//
// Most people run its command, firebreak-audit. The package is for those who build an
// analyzer into a tool of their own.
package audit
