// Reads a history of operations on a store, one JSON object a line on standard input, and says whether there is an order of them that a
// single copy of the store could have had. Ends with 0 when there is, 1 when there is none, 2 when it cannot tell.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/anishathalye/porcupine"
)

const keys = 6

// slot is what is known of one key; Mod is 0 when it is not there.
type slot struct {
	Mod   int64  `json:"mod"`
	Value string `json:"value"`
}

// world is the whole store: comparable, so that the search recognises where it has been.
type world struct {
	revision int64
	slots    [keys]slot
}

type write struct {
	Key    int    `json:"key"`
	Expect int64  `json:"expect"`
	Value  string `json:"value"` // empty: a deletion
}

type operation struct {
	Client int    `json:"client"`
	Call   int64  `json:"call"`
	Return int64  `json:"return"`
	Op     string `json:"op"` // get, list, commit
	// get
	Key int `json:"key"`
	// commit
	Writes []write `json:"writes"`
	// what came back: ok, conflict
	Outcome  string     `json:"outcome"`
	Revision int64      `json:"revision"`
	Found    slot       `json:"found"`
	All      [keys]slot `json:"all"`
}

func step(state, input, _ interface{}) (bool, interface{}) {
	now, op := state.(world), input.(operation)
	switch op.Op {
	case "get":
		return now.slots[op.Key] == op.Found, now
	case "list":
		return now.revision == op.Revision && now.slots == op.All, now
	case "commit":
		next, fits := now, true
		next.revision++
		for _, w := range op.Writes {
			fits = fits && now.slots[w.Key].Mod == w.Expect
			if w.Value == "" {
				next.slots[w.Key] = slot{}
			} else {
				next.slots[w.Key] = slot{Mod: next.revision, Value: w.Value}
			}
		}
		if op.Outcome == "conflict" {
			return !fits, now
		}
		return fits && next.revision == op.Revision, next
	}
	return false, now
}

func main() {
	var history []porcupine.Operation
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var op operation
		if err := json.Unmarshal(lines.Bytes(), &op); err != nil {
			fmt.Fprintf(os.Stderr, "line %d: %v\n", len(history)+1, err)
			os.Exit(2)
		}
		history = append(history, porcupine.Operation{ClientId: op.Client, Input: op, Call: op.Call, Output: op, Return: op.Return})
	}
	model := porcupine.Model{
		Init: func() interface{} { return world{} },
		Step: step,
	}
	result := porcupine.CheckOperationsTimeout(model, history, 2*time.Minute)
	fmt.Printf("%d operations: %s\n", len(history), result)
	switch result {
	case porcupine.Ok:
	case porcupine.Illegal:
		os.Exit(1)
	default:
		os.Exit(2)
	}
}
