package ta701

import "github.com/gomodule/redigo/redis"

func connect(address string) (redis.Conn, error) {
	return redis.Dial("tcp", address) // want `TA701: redis.Dial: connects within 30 s, but reads and writes without a limit; pass redis.DialReadTimeout`
}
