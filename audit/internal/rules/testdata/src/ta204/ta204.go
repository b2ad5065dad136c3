package ta204

import (
	"context"
	"net/http"
	"time"
)

func stop(server *http.Server) error {
	return server.Shutdown(context.Background()) // want `TA204: http.Server.Shutdown has a context without a deadline \(context.Background\(\)\)`
}

type embedding struct{ *http.Server }

func stopEmbedded(e embedding, done chan struct{}) {
	go func() {
		<-done
		if err := e.Shutdown(context.TODO()); err != nil { // want `TA204: .*context.TODO`
			panic(err)
		}
	}()
}

func stopInTime(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return server.Shutdown(ctx)
}

func stopWhenTold(ctx context.Context, server *http.Server) error {
	return server.Shutdown(ctx)
}
