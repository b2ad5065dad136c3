package ta503

import (
	"errors"
	"net/rpc"
	"time"
)

func call(client *rpc.Client) (reply int, err error) {
	err = client.Call("Sum.Add", 1, &reply) // want `TA503: rpc.Client.Call waits for its answer for ever`
	return reply, err
}

func callInTime(client *rpc.Client) (reply int, err error) {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case done := <-client.Go("Sum.Add", 1, &reply, make(chan *rpc.Call, 1)).Done:
		return reply, done.Error
	case <-timer.C:
		return 0, errors.New("no answer")
	}
}
