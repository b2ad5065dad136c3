// Package rules has the rules of the auditor, one in each file.
package rules

import "github.com/firebreak-go/firebreak/audit/internal/rule"

// All returns the rules, in the order of their IDs.
func All() []*rule.Rule {
	return []*rule.Rule{
		httpDefaultClient,
		httpClient,
		httpRequest,
		httpTransport,
		zeroWritten,
		httpServer,
		serveFunc,
		serverWrite,
		shutdown,
		dial,
		tlsHandshake,
		smtpUnbounded,
		sshUnbounded,
		websocketUnbounded,
		connIO,
		rootContext,
		rootToWrapper,
		requestContext,
		deadlineDropped,
		contextIgnored,
		grpcCall,
		grpcDial,
		rpcCall,
		sqlNoContext,
		sqlRoot,
		libraryLimit,
		execNoContext,
		suppression,
		unboundedStack,
		policyPerCall,
		gateDone,
		notIdempotent,
		attemptTimeout,
		bypass,
	}
}
