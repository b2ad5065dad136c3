// Package sim is a laboratory for limiters of load: a simulation of servers, clients
// and overload in virtual time, in which all policies meet the same traffic.
//
// A run has a [Model] of a server, clients that come at random, without waiting for
// each other, and a [Policy] between them. [RunSteady] measures a load that does not
// change, [RunTransient] a disturbance. A run depends on nothing but its arguments: the
// same seed gives the same requests, with the same work, to each policy, and the same
// result again.
//
// # What is measured
//
// Goodput: requests that are answered before their callers leave. An answer that comes
// later is waste, and the server does not notice: it does the work all the same. A
// request counts for the time at which it came, and one that comes again for the time
// of its first attempt.
//
// The ideal is what was asked for, but at most the capacity: the throughput of the
// server with [Model.Knee] requests at work, which follows from the model and is not
// measured. With phases it is reckoned second by second. Two things can bring goodput
// over the ideal: chance, by less than a percent in runs of the default length, and
// clients that come again when the server can do more than when they came first.
//
// # Your own numbers
//
// A Model, a Transient and a Policy are values that anyone can make. Callers who know
// their service put in how many requests it works on at once, how long one takes, and
// after what time callers leave; a limiter needs an adapter of three methods.
package sim
