package retry

import (
	"math"
	"time"
)

// oneRetry is what a retry costs in the unit of account: whole numbers, so that
// nothing is lost or made by rounding.
const oneRetry = 1_000_000

// slots is into how many slots of time the window is divided: deposits expire a
// slot at a time.
const slots = 10

// account is the arithmetic of a Budget: deposits that expire, and a floor that
// grows back. Time is an argument, counted from the account's start; it does not
// go back.
type account struct {
	perCall   int64 // deposit of a call
	perSecond int64 // growth of the floor
	maxFloor  int64
	slotWidth time.Duration

	deposits [slots]int64
	slot     int64 // number of the current slot since the start
	sum      int64 // of deposits
	floor    int64
	growth   int64         // of the floor, in millionths of the unit: what is not a whole one yet
	floorAt  time.Duration // when floor and growth were right
}

func newAccount(cfg BudgetConfig) account {
	return account{
		perCall:   max(int64(math.Round(cfg.Ratio*oneRetry)), 1),
		perSecond: max(int64(math.Round(cfg.FloorRate*oneRetry)), 1),
		maxFloor:  int64(cfg.Floor) * oneRetry,
		slotWidth: cfg.Window / slots,
		floor:     int64(cfg.Floor) * oneRetry,
	}
}

func (a *account) deposit(now time.Duration) {
	a.advance(now)
	a.deposits[a.slot%slots] += a.perCall
	a.sum += a.perCall
}

func (a *account) available(now time.Duration) int64 {
	a.advance(now)
	return a.sum + a.floor
}

// rested reports whether the floor is full.
func (a *account) rested(now time.Duration) bool {
	a.advance(now)
	return a.floor == a.maxFloor
}

// withdraw takes a retry: from the deposits that expire first, then from the floor.
func (a *account) withdraw(now time.Duration) bool {
	if a.available(now) < oneRetry {
		return false
	}
	owed := int64(oneRetry)
	for i := int64(1); i <= slots && owed > 0; i++ {
		oldest := &a.deposits[(a.slot+i)%slots]
		taken := min(*oldest, owed)
		*oldest -= taken
		a.sum -= taken
		owed -= taken
	}
	a.floor -= owed
	return true
}

// advance expires deposits and lets the floor grow, in constant time however long
// nobody called.
func (a *account) advance(now time.Duration) {
	slot := int64(now / a.slotWidth)
	for range min(slot-a.slot, slots) {
		a.slot++
		expired := &a.deposits[a.slot%slots]
		a.sum -= *expired
		*expired = 0
	}
	a.slot = max(a.slot, slot)

	if a.floor == a.maxFloor { // as nearly always: it needs no arithmetic
		a.growth, a.floorAt = 0, now
		return
	}
	elapsed := (now - a.floorAt).Microseconds()
	missing := (a.maxFloor-a.floor)*1_000_000 - a.growth
	if elapsed >= (missing+a.perSecond-1)/a.perSecond {
		a.floor, a.growth, a.floorAt = a.maxFloor, 0, now
		return
	}
	a.growth += elapsed * a.perSecond // less than missing: it does not overflow
	a.floor += a.growth / 1_000_000
	a.growth %= 1_000_000
	a.floorAt += time.Duration(elapsed) * time.Microsecond
}
