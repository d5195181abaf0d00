// Load on an etcd: so many clients, each waiting for its answer before it asks again. Prints one line of JSON: operations a second and the
// 99th percentile in milliseconds. Only the bench uses it; it listens nowhere.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func main() {
	endpoint := flag.String("endpoint", "127.0.0.1:2379", "of the etcd")
	mode := flag.String("mode", "put", "put or get")
	clients := flag.Int("clients", 1, "at once")
	connections := flag.Int("connections", 100, "shared by the clients, at most")
	total := flag.Int("total", 1000, "operations")
	size := flag.Int("size", 256, "bytes of a value")
	keys := flag.Int("keys", 1_000_000_000, "keys that are used in turn")
	first := flag.Int("first", 0, "number of the first key")
	flag.Parse()

	pool := make([]*clientv3.Client, min(*clients, *connections))
	for index := range pool {
		client, err := clientv3.New(clientv3.Config{Endpoints: []string{*endpoint}, DialTimeout: 10 * time.Second})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		defer client.Close()
		pool[index] = client
	}
	value := strings.Repeat("x", *size)
	var group sync.WaitGroup
	took := make([][]time.Duration, *clients)
	began := time.Now()
	for client := range *clients {
		group.Go(func() {
			for index := client; index < *total; index += *clients {
				key := fmt.Sprintf("/bench/%d", (*first+index)%*keys)
				start := time.Now()
				var err error
				if *mode == "put" {
					_, err = pool[client%len(pool)].Put(context.Background(), key, value)
				} else {
					_, err = pool[client%len(pool)].Get(context.Background(), key)
				}
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				took[client] = append(took[client], time.Since(start))
			}
		})
	}
	group.Wait()
	elapsed := time.Since(began)
	all := slices.Concat(took...)
	slices.Sort(all)
	json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"rate": float64(len(all)) / elapsed.Seconds(),
		"p99":  float64(all[len(all)*99/100].Microseconds()) / 1000,
	})
}
