// Command poller looks again and again.
package main

import "time"

func main() {
	for {
		for range 3 {
			if time.Now().IsZero() {
				break
			}
			println("turn")
		}
		time.Sleep(time.Minute)
	}
}
