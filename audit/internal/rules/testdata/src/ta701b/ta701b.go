// Package ta701b gives its connections limits.
package ta701b

import (
	"time"

	"github.com/gomodule/redigo/redis"
)

var options = []redis.DialOption{redis.DialReadTimeout(time.Second), redis.DialWriteTimeout(time.Second)}

func connect(address string) (redis.Conn, error) {
	return redis.Dial("tcp", address, options...)
}
