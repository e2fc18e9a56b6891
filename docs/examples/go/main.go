// drawdown from Go: record usage exactly once, check, reserve and settle, watch a balance.
//
//	./generate.sh && go run . HOST:PORT
//
// The account, its meter and its credits must exist; see ../README.md.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	mathrand "math/rand"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "example/drawdownv1"
)

const (
	account = "acme"
	meter   = "calls"
)

// retried repeats a call whose outcome is missing. The same request is safe: its ids decide.
func retried[A any](ctx context.Context, call func(context.Context) (A, error)) (A, error) {
	for attempt := 0; ; attempt++ {
		answer, err := call(ctx)
		switch status.Code(err) {
		case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted:
		default:
			return answer, err
		}
		if attempt == 5 {
			return answer, err
		}
		time.Sleep(time.Duration(mathrand.Int63n(int64(100*time.Millisecond) << attempt)))
	}
}

func run(ctx context.Context, target string) error {
	connection, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	usage := pb.NewUsageServiceClient(connection)
	entitlement := pb.NewEntitlementServiceClient(connection)
	accounts := pb.NewAccountServiceClient(connection)

	three := int64(3)
	check, err := entitlement.Check(ctx, &pb.CheckRequest{AccountId: account, Meter: meter, Quantity: &three})
	if err != nil {
		return err
	}
	fmt.Printf("check: allowed %v, %d units left\n", check.Allowed, check.Units)

	// The id and the time are chosen once and repeated on every retry: exactly once, whatever happens.
	now := time.Now().UnixMicro()
	batch := &pb.UsageBatch{BatchId: 1, Detail: pb.ResultDetail_RESULT_DETAIL_ALL, Events: []*pb.UsageEvent{{
		EventId: rand.Text(), AccountId: account, Subject: &pb.UsageEvent_Meter{Meter: meter},
		Quantity: 3, TimeUs: &now,
	}}}
	record := func(ctx context.Context) (*pb.UsageAck, error) { return usage.RecordUsage(ctx, batch) }
	first, err := retried(ctx, record)
	if err != nil {
		return err
	}
	again, err := retried(ctx, record)
	if err != nil {
		return err
	}
	fmt.Printf("record: applied %d; the same again: duplicates %d\n", first.Applied, again.Duplicates)

	watching, stop := context.WithCancel(ctx)
	defer stop()
	watch, err := accounts.WatchBalances(watching, &pb.WatchBalancesRequest{
		AccountIds: []string{account}, CreditType: "credits",
	})
	if err != nil {
		return err
	}
	if _, err := watch.Recv(); err != nil {
		return err
	}

	id := rand.Text()
	hold, err := retried(ctx, func(ctx context.Context) (*pb.ReserveResponse, error) {
		return entitlement.Reserve(ctx, &pb.ReserveRequest{
			AccountId: account, ReservationId: id, Subject: &pb.ReserveRequest_Meter{Meter: meter},
			Amount: &pb.ReserveRequest_Quantity{Quantity: 5}, Ttl: durationpb.New(time.Minute),
		})
	})
	if err != nil {
		return err
	}
	fmt.Printf("reserve: %s, held %s\n", hold.Status, hold.Held)
	end, err := retried(ctx, func(ctx context.Context) (*pb.SettleResponse, error) {
		return entitlement.Settle(ctx, &pb.SettleRequest{
			AccountId: account, ReservationId: id, Actual: &pb.SettleRequest_Quantity{Quantity: 2},
		})
	})
	if err != nil {
		return err
	}
	fmt.Printf("settle: charged %s, returned %s, available %s\n", end.Charged, end.Returned, end.Available)

	for {
		told, err := watch.Recv()
		if err != nil {
			return err
		}
		// What follows each other quickly may come as one change.
		if told.Seq >= end.Seq {
			fmt.Printf("watched: ends at %s\n", told.Balances[0].Available)
			return nil
		}
	}
}

func main() {
	target := "localhost:7070"
	if len(os.Args) > 1 {
		target = os.Args[1]
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, target); err != nil {
		log.Fatal(err)
	}
}
