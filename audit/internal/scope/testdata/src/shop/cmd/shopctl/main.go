// Command shopctl does one thing, as often as it takes, and ends.
package main

import (
	"os"
	"time"

	"shop"
	"shop/print"
)

func main() {
	for i := 0; ; i++ {
		if i > shop.Price() {
			break
		}
		time.Sleep(time.Second)
	}
	_ = appears("price")
	print.Print()
}

func appears(name string) bool {
	for {
		for range 3 {
			if _, err := os.Stat(name); err == nil {
				return true
			}
		}
		<-time.After(time.Second)
	}
}
