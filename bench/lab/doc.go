// Package lab is a laboratory for limiters of load: a simulation of servers, clients
// and overload in virtual time, in which all policies meet the same traffic.
package lab
